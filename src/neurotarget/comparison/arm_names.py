"""Which runs belong to one arm, and what an arm is called: by what differs in their configs."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from neurotarget.runs.network.fitting import times

# what may differ between the runs of one arm: the design, places, and the machine
NEVER = (
    "seed",
    "data.fold",
    "data.seed",
    "data.split_seed",  # the splits themselves are compared
    "data.n_folds",
    "data.fold_by",
    "data.external",
    "data.root",
    "data.source",
    "data.cache",
    "data.workers",
    "data.queue_length",
    "data_fingerprint",
    "paths",
    "resume",
    "accept_changed_data",
    "logger",
    "callbacks",
    "metrics",
    "loss",  # stands in task once more
    "sweep",
    "localise",  # the region or the cascade itself is compared, where a user has set it
    "plan",
    "held_out",
    "task.optimizer_for",  # the optimizer once more
    "target.patch_vox",  # patch_vox is what a run was trained on
    "target.question",
    "target.hypotheses",
    "target.volume_range_mm3",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
    "trainer.default_root_dir",
    "trainer.enable_progress_bar",
    "trainer.enable_model_summary",
    "trainer.log_every_n_steps",
)
NAME = "name"  # of an experiment; tells arms apart only where nothing else does
BROUGHT = ("model", "optimizer", "patch_vox")  # what belongs to a choice of model
BUDGET = ("budget", "trainer.max_time", "trainer.max_epochs", "trainer.max_steps")
LONGEST = 60  # letters of a name made of settings

Settings = Mapping[str, Any]  # plain values by dotted key


class Settled(NamedTuple):
    """Arm of each run, in their order, and what is worth a sentence."""

    arms: list[str]
    notes: list[str]


def settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What may tell arms apart in a resolved config, by dotted key; null where it is absent."""
    flat = dict(_leaves(config))
    target = config.get("target")
    if flat.get("patch_vox", "auto") == "auto" and isinstance(target, Mapping):
        flat["patch_vox"] = target.get("patch_vox")  # runs of before this setting
    never = list(NEVER)
    if flat.get("localise") == "auto":
        never += ["target.roi", "cascade"]  # each fold's training masks propose their own
    elif not flat.get("cascade.localise"):
        never.append("cascade")  # settings that nothing uses
    return {key: value for key, value in flat.items() if not _is_below(key, never)}


def settle_arms(
    runs: Sequence[Settings], models: Sequence[str], slots: Sequence[object]
) -> Settled:
    """Sort runs into arms and name these.

    An arm is called after its model where arms with this model have equal settings, else after
    the settings that tell them apart too. `slots` are what runs of one arm differ in, fold and
    seed: where two runs of an arm have the same, the experiment's name tells arms apart too.
    """
    for ignored in ((NAME,), ()):
        keys = _differing(runs, ignored)
        kinds = [_kind(model, run, keys) for run, model in zip(runs, models, strict=True)]
        if max(Counter(zip(kinds, map(str, slots), strict=True)).values(), default=0) < 2:
            break
    else:  # nothing helps: they are repeats, which is told elsewhere
        keys = _differing(runs, (NAME,))
        kinds = [_kind(model, run, keys) for run, model in zip(runs, models, strict=True)]
    first = {kind: place for place, kind in reversed(list(enumerate(kinds)))}
    order = sorted(first, key=first.get)
    names = dict(
        zip(
            order,
            _names(
                [runs[first[kind]] for kind in order], [models[first[kind]] for kind in order], keys
            ),
            strict=True,
        )
    )
    kept = [(names[kind], runs[first[kind]]) for kind in order]
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
    """Keys with several values, in the order of the configs; absent is null."""
    every = dict.fromkeys(key for run in runs for key in run if key not in ignored)
    return [key for key in every if len({repr(run.get(key)) for run in runs}) > 1]


def _kind(model: str, run: Settings, keys: Sequence[str]) -> tuple[str, ...]:
    return (model, *(repr(run.get(key)) for key in keys))


def _names(runs: Sequence[Settings], models: Sequence[str], keys: Sequence[str]) -> list[str]:
    """A name for each arm, each another."""
    several = len(set(models)) > 1
    names = []
    for run, model in zip(runs, models, strict=True):
        alike = [other for other, its in zip(runs, models, strict=True) if its == model]
        own = [key for key in keys if len({repr(other.get(key)) for other in alike}) > 1]
        words = [f"{_short(key, own)}={_text(run.get(key))}" for key in own]
        names.append(",".join([model, *words] if several or not words else words))
    names = [" ".join(name.split()) for name in names]  # a name is within a line
    names = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in names]
    seen: Counter[str] = Counter()
    for place, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            names[place] = f"{name} ({seen[name]})"
    return names


def _short(key: str, keys: Sequence[str]) -> str:
    """Last words of a key that tell it from the others."""
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
    """Sentences on budgets that differ, and on settings that names do not say."""
    told = []
    if budget := _budget([run for _, run in arms], keys):
        told.append(f"The arms have different budgets: {_listed(arms, budget)}.")
    others = [key for key in keys if not _is_below(key, (*BROUGHT, *BUDGET))]
    if unnamed := [
        key for key in others if not all(_text(run.get(key)) in name for name, run in arms)
    ]:
        told.append(f"The arms differ in more than their model: {_listed(arms, unnamed)}.")
    return told


def _budget(runs: Sequence[Settings], keys: Sequence[str]) -> list[str]:
    """Keys of the budget that differ; steps that follow from one common budget are no such."""
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
    """Sides of a patch as a table has them; empty where they are unknown."""
    is_sides = isinstance(patch_vox, list | tuple) and len(patch_vox) == 3
    return times(patch_vox) if is_sides else ""
