"""Present names of classes that records of older versions list under their former modules."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

NETS = (
    "attention_unet|deepparcellation|deeppgsegnet|mednext|nnunet|plain_unet|segresnet|swin_unetr"
    "|unet|unetplusplus|unetr|vnet|weninger"
)
MOVED = (
    (re.compile(rf"neurotarget\.models\.({NETS})\."), r"neurotarget.models.nets.\1."),
    (re.compile(r"neurotarget\.data\.prepare\."), "neurotarget.data.batches.prepare."),
    (re.compile(r"neurotarget\.data\.module\."), "neurotarget.data.batches.datamodule."),
    (
        re.compile(r"neurotarget\.(data\.sources|phantom\.gland\.source)\.Cohort$"),
        "neurotarget.phantom.gland.cohort.Cohort",
    ),
    (re.compile(r"neurotarget\.data\.sources\."), "neurotarget.data.cases.sources."),
    (re.compile(r"neurotarget\.data\.phantom_plan\."), "neurotarget.phantom.gland.plan."),
    (re.compile(r"neurotarget\.data\.qsm_plan\."), "neurotarget.phantom.dentate.plan."),
    (
        re.compile(r"neurotarget\.(data\.qsm_source|phantom\.dentate\.source)\."),
        "neurotarget.phantom.dentate.cohort.",
    ),
)


def present_name(path: str) -> str:
    """Present path of a class that a record lists under a former path.

    A path that has not moved stays as it is.
    """
    for pattern, present in MOVED:
        if pattern.match(path):
            return pattern.sub(present, path, count=1)
    return path


def present_overrides(overrides: Sequence[object]) -> tuple[str, ...]:
    """Recorded overrides with their present keys: the loss was a setting of the task."""
    return tuple(re.sub(r"^([+~]*)task\.loss\b", r"\1loss", str(one)) for one in overrides)


def with_present_names(config: dict[str, Any]) -> dict[str, Any]:
    """Replace every `_target_` at any level by its present name, in place; return the config."""
    for node in _mappings(config):
        if isinstance(path := node.get("_target_"), str):
            node["_target_"] = present_name(path)
    return config


def _mappings(node: object) -> Iterator[dict[str, Any]]:
    """Every mapping at any level, once, even if YAML aliases make it contain itself."""
    waiting, seen = [node], {id(node)}
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
        for value in one.values() if isinstance(one, dict) else one:
            if isinstance(value, dict | list) and id(value) not in seen:
                seen.add(id(value))
                waiting.append(value)
