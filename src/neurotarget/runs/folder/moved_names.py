"""Names of classes in the records of older versions, which had them in other files."""

import re
from collections.abc import Iterator
from typing import Any

NETS = (
    "attention_unet|deepparcellation|deeppgsegnet|mednext|nnunet|plain_unet|segresnet|swin_unetr"
    "|unet|unetplusplus|unetr|vnet|weninger"
)
MOVED = (
    (re.compile(rf"neurotarget\.models\.({NETS})\."), r"neurotarget.models.nets.\1."),
    (re.compile(r"neurotarget\.data\.prepare\."), "neurotarget.data.batches.prepare."),
    (re.compile(r"neurotarget\.data\.module\."), "neurotarget.data.batches.datamodule."),
    (re.compile(r"neurotarget\.data\.sources\.Cohort$"), "neurotarget.phantom.gland.source.Cohort"),
    (re.compile(r"neurotarget\.data\.sources\."), "neurotarget.data.cases.sources."),
    (re.compile(r"neurotarget\.data\.phantom_plan\."), "neurotarget.phantom.gland.plan."),
    (re.compile(r"neurotarget\.data\.qsm_(plan|source)\."), r"neurotarget.phantom.dentate.\1."),
)


def present_name(path: str) -> str:
    """Where a class lies now that a record names by its place of then."""
    for pattern, present in MOVED:
        if pattern.match(path):
            return pattern.sub(present, path, count=1)
    return path


def present_override(word: str) -> str:
    """A recorded override with the key of now: the loss was a setting of the task."""
    return re.sub(r"^([+~]*)task\.loss\b", r"\1loss", word)


def with_present_names(config: dict[str, Any]) -> dict[str, Any]:
    """The same config, changed in place: every `_target_` at any depth as it is called now."""
    for node in _mappings(config):
        if isinstance(path := node.get("_target_"), str):
            node["_target_"] = present_name(path)
    return config


def _mappings(node: object) -> Iterator[dict[str, Any]]:
    """Every mapping at any depth, once, also where aliases of YAML let a tree hold itself."""
    waiting, seen = [node], {id(node)}
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
        for value in one.values() if isinstance(one, dict) else one:
            if isinstance(value, dict | list) and id(value) not in seen:
                seen.add(id(value))
                waiting.append(value)
