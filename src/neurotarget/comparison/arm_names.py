"""Group runs into arms, and name the arms after the settings that differ in their configs."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from neurotarget.shapes import times

# settings that may differ between the runs of one arm: the design, paths, and the machine
NEVER = (
    "seed",
    "data.fold",
    "data.seed",
    "data.split_seed",  # the splits themselves are checked
    "data.n_folds",
    "data.fold_by",
    "data.stratify",
    "data.external",
    "data.root",
    "data.source",
    "data.cache",
    "data.workers",
    "data.queue_length",
    "data_fingerprint",
    "paths",
    "resume",
    "replay",
    "check_memory",
    "accept_changed_data",
    "logger",
    "callbacks",
    "metrics",
    "loss",  # a duplicate of the loss in task
    "sweep",
    "localise",  # the region or the cascade itself is compared, if set by a user
    "plan",
    "held_out",
    "task.optimizer_for",  # a duplicate of the optimizer
    "target.patch_vox",  # patch_vox is the patch size used in training
    "target.question",
    "target.hypotheses",
    "target.volume_range_mm3",
    "target.area_range_mm2",
    "target.area_range_px",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
    "trainer.default_root_dir",
    "trainer.enable_progress_bar",
    "trainer.enable_model_summary",
    "trainer.log_every_n_steps",
)
NAME = "name"  # of the experiment; used in names of arms only if nothing else differs
BROUGHT = ("model", "optimizer", "patch_vox")  # settings that come with a choice of model
BUDGET = ("budget", "trainer.max_time", "trainer.max_epochs", "trainer.max_steps")
LONGEST = 60  # most letters of a name made of settings

Settings = Mapping[str, Any]  # plain values by dotted key


class Settled(NamedTuple):
    """Names of the arms of all runs, in the order of the runs, and notes for the page.

    Notes state that arms have different budgets, or differ in settings that their names do not
    show.
    """

    arms: list[str]
    notes: list[str]


def settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a resolved config that define an arm, by dotted key.

    Design (seed, fold), paths and machine are absent, as runs of one arm may differ in them; so are
    settings that the run did not use.
    """
    flat = dict(_leaves(config))
    target = config.get("target")
    if flat.get("patch_vox", "auto") == "auto" and isinstance(target, Mapping):
        flat["patch_vox"] = target.get("patch_vox")  # in runs older than this setting
    never = list(NEVER)
    if flat.get("localise") == "auto":
        never += ["target.roi", "cascade"]  # derived from the training masks of each fold
    elif not flat.get("cascade.localise"):
        never.append("cascade")  # unused settings
    return {key: value for key, value in flat.items() if not _is_below(key, never)}


def settle_arms(
    runs: Sequence[Settings], models: Sequence[str], slots: Sequence[object]
) -> Settled:
    """Group runs into arms and name the arms.

    An arm is named after its model, and after the settings that differ between arms of this model.
    If two runs of an arm have the same slot, the experiment's name distinguishes arms, too.

    Args:
        runs: settings of each run, as `settings_of` returns them.
        models: the user's choice of model of each run.
        slots: fold and seed of each run.
    """

    def grouped(ignored: Sequence[str]) -> tuple[bool, list[str], list[tuple[str, ...]]]:
        """Return whether two runs of an arm share a slot, the differing settings, and groups."""
        keys = _differing(runs, ignored)
        kinds = [
            (model, *(repr(run.get(key)) for key in keys))
            for run, model in zip(runs, models, strict=True)
        ]
        return len({*zip(kinds, map(str, slots), strict=True)}) < len(runs), keys, kinds

    # duplicate runs, which share a slot in both ways, are reported by the caller
    _, keys, kinds = min(grouped((NAME,)), grouped(()), key=lambda one: one[0])
    first = {kind: kinds.index(kind) for kind in kinds}
    places = list(first.values())
    named = _names([runs[place] for place in places], [models[place] for place in places], keys)
    names = dict(zip(first, named, strict=True))
    kept = [(names[kind], runs[place]) for kind, place in first.items()]
    return Settled([names[kind] for kind in kinds], _notes(kept, keys))


def _leaves(node: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in node.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{name}.")
        else:
            yield name, value


def _is_below(key: str, branches: Iterable[str]) -> bool:
    return any(key == branch or key.startswith(f"{branch}.") for branch in branches)


def _differing(runs: Sequence[Settings], ignored: Sequence[str]) -> list[str]:
    """Return keys with several values, in the order of the configs; an absent key is null."""
    every = dict.fromkeys(key for run in runs for key in run if key not in ignored)
    return [key for key in every if len({repr(run.get(key)) for run in runs}) > 1]


def _names(runs: Sequence[Settings], models: Sequence[str], keys: Sequence[str]) -> list[str]:
    """Return a unique name for each arm."""
    several = len(set(models)) > 1
    names = []
    for run, model in zip(runs, models, strict=True):
        alike = [other for other, its in zip(runs, models, strict=True) if its == model]
        own = [key for key in keys if len({repr(other.get(key)) for other in alike}) > 1]
        settings = [f"{_short(key, own)}={_text(run.get(key))}" for key in own]
        names.append(",".join([model, *settings] if several or not settings else settings))
    names = [" ".join(name.split()) for name in names]  # without line breaks
    names = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in names]
    seen: Counter[str] = Counter()
    for place, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            names[place] = f"{name} ({seen[name]})"
    return names


def _short(key: str, keys: Sequence[str]) -> str:
    """Return the shortest end of a dotted key that distinguishes it from the other keys."""
    parts = key.split(".")
    for count in range(1, len(parts)):
        tail = ".".join(parts[-count:])
        if (
            len(tail) > 1
            and tail != "_target_"
            and sum(f".{other}".endswith(f".{tail}") for other in keys) == 1
        ):
            return tail
    return key


def _text(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return f"[{','.join(_text(one) for one in value)}]"
    text = str(value)
    return text.rpartition(".")[2] if "." in text and " " not in text else text


def _notes(arms: Sequence[tuple[str, Settings]], keys: Sequence[str]) -> list[str]:
    """Return notes on different budgets, and on different settings that names do not show."""
    notes = []
    if budget := _budget([run for _, run in arms], keys):
        notes.append(f"The arms have different budgets: {_listed(arms, budget)}.")
    others = [key for key in keys if not _is_below(key, (*BROUGHT, *BUDGET))]
    if unnamed := [
        key for key in others if not all(_text(run.get(key)) in name for name, run in arms)
    ]:
        notes.append(f"The arms differ in more than their model: {_listed(arms, unnamed)}.")
    return notes


def _budget(runs: Sequence[Settings], keys: Sequence[str]) -> list[str]:
    """Return differing keys of the budget, without step numbers that a common budget implies."""
    differing = [key for key in keys if _is_below(key, BUDGET)]
    is_common = all(run.get("budget.kind") for run in runs)
    if is_common and not any(_is_below(key, ("budget",)) for key in differing):
        return []
    return differing


def _listed(arms: Sequence[tuple[str, Settings]], keys: Sequence[str]) -> str:
    parts = [
        f"{key} ({', '.join(f'{name}: {_text(run.get(key))}' for name, run in arms)})"
        for key in keys
    ]
    return "; ".join(parts)


def patch_text(patch_vox: object) -> str:
    """Format the sides of a patch for a table, such as `96×96×64`; "" where they are unknown."""
    is_sides = isinstance(patch_vox, list | tuple) and len(patch_vox) == 3
    return times(patch_vox) if is_sides else ""
