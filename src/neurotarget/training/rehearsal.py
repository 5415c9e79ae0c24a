"""`dry_run=true`: test every setting and print network and data; nothing is trained."""

from collections.abc import Mapping, Sequence
from typing import Any

from neurotarget.data.batches.datamodule import TargetData
from neurotarget.models.profile import profile
from neurotarget.problems import DataError, error, some
from neurotarget.training.resources.devices import num_devices
from neurotarget.training.training_parts import Parts
from neurotarget.types import Case, Target

Config = Mapping[str, Any]
SHOWN = 12  # held-out cases that are named
SPLITS = {  # names in the report
    "train": "training",
    "val": "validation",
    "test": "held out",
    "external": "held out, external",
}


def print_rehearsal(
    config: Config, parts: Parts, *, has_localiser: bool, notes: Sequence[str]
) -> None:
    """Print target, cases per split, network and data that a training would use.

    Args:
        config: resolved configuration of plain values.
        parts: parts of the training, which is not started.
        has_localiser: whether a cascade would train a first network.
        notes: further sentences.

    Raises:
        DataError: the data set or the settings of its splits are invalid.
    """
    data, target = parts.data, parts.target
    cases, splits = data.read_splits()
    lines = [*_target_lines(target), *_case_lines(cases, splits, data)]
    if has_localiser:
        cascade = config["cascade"]
        lines.append(("cascade", f"a first network of {cascade['steps']} steps finds the target"))
    lines.append(("network", _network(config, parts)))
    if (folds := config["cv"]) is not None:
        lines.append(("cv", f"{folds} such trainings, one per fold; this is fold {data.fold}"))
    for name, text in lines:
        print(f"  {name:<9} {text}")
    for note in notes:
        print(f"  {note}")
    print("nothing was trained: this was a dry run", flush=True)


def refuse_given_test(config: Config, data: TargetData) -> None:
    """Refuse a cross-validation of data whose table states the held-out cases.

    Raises:
        DataError: a case has the split test.
    """
    if config["cv"] is None:
        return
    cases, _ = data.read_splits()
    given = [case.case_id for case in cases if case.split == "test"]
    if given and config["data"]["fold_by"] is None:
        found = f"the split test for {len(given)} cases ({some(given)}), which every fold holds out"
        todo = "leave cv out, or remove the column split; a column fold gives folds of your own"
        raise DataError(error(found, "folds that hold out each case once", todo, file=data.root))


def _target_lines(target: Target) -> list[tuple[str, str]]:
    labels = some(f"{name} = {some(ids)}" for name, ids in target.labels.items())
    outcomes = some(one.name for one in target.outcomes)
    what = "; ".join(
        text
        for text, is_there in (
            (f"labels {labels}", target.labels),
            (f"outcomes {outcomes}", target.outcomes),
        )
        if is_there
    )
    sides = " × ".join(map(str, target.patch_vox))
    spacing = " × ".join(f"{side:g}" for side in target.spacing_mm)
    region = "" if target.roi is None else f", in a box of {_sides(target.roi.size_mm)} mm"
    return [
        ("target", f"{target.name} on {', '.join(target.channels)}: {what}"),
        ("patch", f"{sides} voxels of {spacing} mm{region}"),
    ]


def _case_lines(
    cases: Sequence[Case], splits: Mapping[str, str], data: TargetData
) -> list[tuple[str, str]]:
    lines = []
    for split, name in SPLITS.items():
        many = [case for case in cases if splits[case.case_id] == split]
        if not many:
            continue
        people = len({case.subject_id for case in many})
        text = f"{len(many)} cases of {people} people"
        without = sum(case.label is None for case in many)
        if without and data.learns_from == "labels":
            text += f", {without} of them without a mask"
        if split in ("test", "external"):
            text += f": {some((case.case_id for case in many), SHOWN)}"
        lines.append((name, text))
    whole = ("cases", f"{len(cases)} in {data.root or 'a source of its own'}")
    return [whole, *(("", f"{name}: {text}") for name, text in lines)]


def _network(config: Config, parts: Parts) -> str:
    net, target = parts.task.net, parts.target
    shape = (1, len(target.channels), *target.patch_vox)
    cost = profile(net, shape, training=False)
    count = num_devices(config["trainer"])
    devices = f"{count} devices" if count > 1 else "one device"
    return (
        f"{type(net).__name__} of {cost.parameters / 1e6:.2g} million parameters, "
        f"{config['data']['batch_size']} patches per step, on {devices} "
        f"({config['trainer']['accelerator']})"
    )


def _sides(sides: Sequence[float]) -> str:
    return " × ".join(f"{side:.0f}" for side in sides)
