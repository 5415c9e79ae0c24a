"""First stage of `cascade=localise`: train a localiser and measure its errors on unseen subjects.

The training cases are split into folds. Each fold is localised by a network that was trained on the
other folds, so that the second stage can train on boxes with realistic errors. A further localiser
is trained on all training cases; it localises the validation and test cases and is kept in the run
folder. The result depends on data and splits alone, is stored in the cache, and serves every model
and seed.
"""

import json
import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import yaml
from filelock import FileLock

from neurotarget.data.batches.cache import Entry, open_entry
from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.batches.target_boxes import Box, Boxes, mask_box
from neurotarget.data.cases.manifest import scan_manifest
from neurotarget.data.labels import class_of_id
from neurotarget.files.drafts import sweep
from neurotarget.files.hashes import hash_of_value
from neurotarget.files.writing import write_text, written
from neurotarget.inference.localiser import Limits, locate
from neurotarget.inference.segment import Predictor
from neurotarget.problems import DataError
from neurotarget.runs.folder.run_folder import resumable_state
from neurotarget.runs.network.localisations import Localisation, compared, facts_of, write_table
from neurotarget.runs.network.localiser_files import is_whole, read_localised
from neurotarget.runs.network.objects import build
from neurotarget.runs.network.predictor import load_predictor
from neurotarget.runs.network.trained_network import LOCALISER
from neurotarget.target_fields import OTHER_ID, OTHERS
from neurotarget.training.training_parts import build_data, build_parts, fit
from neurotarget.types import Target

VERSION = 2  # of the computation in this file; increase it to retrain every localiser
BELOW = 0.1  # subtracted from the lowest confidence among the unseen training cases that were found
LAST = "all"  # name of the stage that trains on all training cases
LEARNT = 0.85  # share of its own training cases that a localiser must find
TRIES, MOST_CHECKED = 3, 40  # most trainings of a localiser; most cases for the check
FILES = ("config.yaml", "localiser.json", "localisations.tsv", "boxes.json")

Config = Mapping[str, Any]


class Stage(NamedTuple):
    """One training of a localiser: its splits, and the cases that it localises afterwards."""

    splits: Mapping[str, str]
    to_localise: Sequence[str]


class Cases(NamedTuple):
    """Prepared cases on the coarse grid, and the box of each mask."""

    entries: Mapping[str, Entry]
    reference: Mapping[str, Box | None]

    def find(self, predictor: Predictor, case_id: str, limits: Limits) -> Localisation:
        """Localise one case and compare the box with the box of its mask."""
        entry = self.entries[case_id]
        values = np.asarray(entry.image, dtype=np.float32)
        located = locate(predictor.probabilities(values)[1], entry.grid, limits)
        return compared(located, self.reference[case_id], entry.grid, limits)


class Cascade(NamedTuple):
    """Boxes of the cases for the second stage, and sentences about the first stage."""

    boxes: Boxes
    lines: list[str]


def localise(config: Config, target: Target, folder: Path) -> Cascade | None:
    """Train the localiser of a run, or load it from the cache; None if the run has no cascade.

    The run folder gets `localiser/` with the weights, limits, boxes.json and localisations.tsv.

    Raises:
        DataError: a setting is refused, or the data cannot be localised.
    """
    if not config["cascade"]["localise"]:
        return None
    kept = folder / LOCALISER
    if not is_whole(kept, kept / "weights" / "last.ckpt"):
        made = _cached(config, target)
        _copy(made / "last.ckpt", kept / "weights" / "last.ckpt")
        for name in FILES:  # boxes.json comes last and marks the folder as complete
            write_text(kept / name, (made / name).read_text(encoding="utf-8"))
    localised = read_localised(kept)
    return Cascade(localised.boxes, localised.lines)


def _copy(weights: Path, place: Path) -> None:
    with written(place) as draft:
        shutil.copyfile(weights, draft)


def _cached(config: Config, target: Target) -> Path:
    """Return the folder of the finished localiser in the cache."""
    own = _own_config(config, target)
    data = build_data(own, build(own["target"]))
    data.prepare_data()
    cache = Path(config["data"]["cache"]) / "localisers"
    folder = cache / _key(own, config["cascade"], data)
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not is_whole(folder, folder / "last.ckpt"):
            _make(own, config["cascade"], target, data, folder)
    return folder


def _own_config(config: Config, target: Target) -> dict[str, Any]:
    """Return the configuration of the localiser's training, in the form of a run's."""
    settings, data = config["cascade"], config["data"]
    source = build(data["source"])
    manifest, problems = scan_manifest(source.obtain(data["root"]), target)
    if manifest is None:
        raise DataError(problems)
    mapping = class_of_id(target, manifest.label_ids)
    ids: dict[int, list[int]] = {0: [], 1: [], 2: []}  # background, labelled, ignored
    for value, number in sorted(mapping.items()):
        ids[2 if number == target.ignored_class else int(number != 0)].append(value)
    region = {
        "name": f"{target.name}_region",
        "contrasts": list(target.contrasts),
        "derived": dict(target.derived),
        "labels": {"region": ids[1]},
        "background_ids": OTHERS
        if OTHER_ID in mapping
        else [value for value in ids[0] if value > 0],
        "ignore_ids": ids[2],
        "spacing_mm": settings["spacing_mm"],
        "patch_vox": settings["patch_vox"],
    }
    return {
        **config,
        "name": region["name"],
        "target": {"_target_": "neurotarget.types.Target", **region},
        "data": {
            **data,
            "batch_size": settings["batch_size"],
            "patches_per_epoch": 200 * settings["batch_size"],
            "seed": settings["seed"],
            "preparation": {**data["preparation"], "region_mm": settings["region_mm"]},
        },
        "model": settings["model"],
        "optimizer": settings["optimizer"],
        "task": {
            **config["task"],
            "optimizer_for": settings["optimizer"],
            "schedule": {"warmup_steps": 10, "power": 0.9, "floor": 0.0},
        },
        "trainer": {
            **config["trainer"],
            **{"devices": 1, "num_nodes": 1, "strategy": "auto"},
            **{"max_epochs": None, "max_time": None},
        },
        "budget": {"kind": "steps", "steps": settings["steps"]},
        "windows": {"overlap": 0.25, "mirror": False},
        "cascade": {"localise": False},
        "plan": {"auto": False, "memory_gb": None},
        "sweep": {},
        "patch_vox": "auto",
        "pretrained": None,
        "monitor": "val/dice_mean",
        "weights": "last",
        "seed": settings["seed"],
    }


def _key(own: Config, settings: Config, data: TargetData) -> str:
    """Hash everything that a localiser depends on: prepared cases, splits, settings."""
    entries = sorted((case_id, folder.name) for case_id, folder in data.folders.items())
    parts = {name: own[name] for name in ("model", "task", "budget", "augment", "windows")}
    facts = [VERSION, parts, dict(settings), entries, sorted(data.splits.items())]
    return hash_of_value(facts, 20)


def _make(own: Config, settings: Config, target: Target, data: TargetData, folder: Path) -> None:
    """Train one localiser per fold and one on all cases, and write their localisations."""
    splits = dict(data.splits)
    entries = {case_id: open_entry(path) for case_id, path in data.folders.items()}
    reference = {case_id: reference_box(entry) for case_id, entry in entries.items()}
    cases = Cases(entries, reference)
    train = [case_id for case_id, split in splits.items() if split == "train"]
    limits = limits_of(settings, target, [entries[name] for name in train], reference)
    subjects = {case.case_id: case.subject_id for case in data.manifest.cases}
    stages = _stages(train, subjects, splits, settings)
    by_case: dict[str, Localisation] = {}
    kept = folder
    for number, (name, stage) in enumerate(stages.items(), start=1):
        what = (
            f"localiser {number} of {len(stages)}, which is to find {len(stage.to_localise)} cases"
        )
        print(f"  {what}", flush=True)
        kept, predictor = _learnt(own, data, stage, folder / name, cases=cases, limits=limits)
        if name == LAST:
            limits = calibrated(limits, by_case.values())
        by_case |= {
            case_id: cases.find(predictor, case_id, limits) for case_id in stage.to_localise
        }
    _write(kept, folder, limits, reference, {name: by_case[name] for name in splits}, splits)


def reference_box(entry: Entry) -> Box | None:
    """Return the box of a mask, mm; None for a mask that is empty or may reach ignored voxels.

    The mask comes from the prepared case on the coarse grid, where the structure has class 1.
    """
    if not entry.has_label or entry.facts.get("cut"):
        return None
    return mask_box(np.asarray(entry.label) == 1, entry.grid)


def calibrated(limits: Limits, unseen: Iterable[Localisation]) -> Limits:
    """Raise the confidence threshold to just below the lowest confidence of unseen found cases.

    Args:
        limits: limits of the training masks; a higher threshold is kept.
        unseen: localisations of cases that the network was not trained on.
    """
    hits = [one.located.confidence for one in unseen if one.is_hit]
    lowest = min(hits, default=0.0) - BELOW
    return replace(limits, min_confidence=max(limits.min_confidence, lowest))


def limits_of(
    settings: Config, target: Target, entries: Sequence[Entry], reference: Mapping[str, Box | None]
) -> Limits:
    """Measure sizes and volumes of the training masks on the coarse grid; add the settings.

    Masks that border on ignored voxels do not count: their sizes are unknown.

    Raises:
        DataError: no training mask is whole, or none fills a voxel of the coarse grid.
    """
    marked = [entry for entry in entries if reference[entry.case_id] is not None]
    if not marked and any(entry.facts.get("cut") for entry in entries):
        raise DataError(
            "cascade: found masks that border on ignored voxels in all training cases, wanted "
            "whole structures, whose boxes are known; set cascade=none, or the target's roi"
        )
    if not marked:
        sides = " × ".join(f"{side:g}" for side in settings["spacing_mm"])
        raise DataError(
            f"cascade: found no training mask that fills a voxel of {sides} mm, wanted masks to "
            "localise; set a smaller cascade.spacing_mm, or cascade=none"
        )
    sizes = np.array([reference[entry.case_id].size_mm for entry in marked])
    voxel_mm3 = [float(np.prod(entry.grid.spacing_mm)) for entry in marked]
    volumes = [
        float((np.asarray(entry.label) == 1).sum()) * voxel
        for entry, voxel in zip(marked, voxel_mm3, strict=True)
    ]
    least = np.array(target.patch_vox) * target.spacing_mm
    return Limits(
        size_mm=tuple(sizes.max(axis=0).tolist()),
        volume_mm3=(min(volumes), max(volumes)),
        margin_mm=float(settings["margin_mm"]),
        least_mm=tuple(least.tolist()),
        min_confidence=float(settings["min_confidence"]),
        tolerance=float(settings["tolerance"]),
        min_inside=float(settings["min_inside"]),
    )


def _stages(
    train: Sequence[str], subjects: Mapping[str, str], splits: Mapping[str, str], settings: Config
) -> dict[str, Stage]:
    """Return one stage per fold of the training subjects, and one stage on all subjects."""
    people = sorted({subjects[case_id] for case_id in train})
    folds = min(int(settings["folds"]), len(people))
    if folds < 2:
        raise DataError(
            f"cascade: found {len(people)} training subjects and cascade.folds={settings['folds']},"
            " wanted at least two of each, to see how a localiser errs on people it has not seen"
        )
    order = np.random.default_rng(settings["seed"]).permutation(len(people))
    fold_of = {people[index]: place % folds for place, index in enumerate(order)}
    stages = {}
    for fold in range(folds):
        left_out = [case_id for case_id in train if fold_of[subjects[case_id]] == fold]
        stages[f"fold{fold}"] = Stage({**splits, **dict.fromkeys(left_out, "asked")}, left_out)
    rest = [case_id for case_id, split in splits.items() if split != "train"]
    return stages | {LAST: Stage(dict(splits), rest)}


def _learnt(
    own: Config,
    data: TargetData,
    stage: Stage,
    folder: Path,
    *,
    cases: Cases,
    limits: Limits,
) -> tuple[Path, Predictor]:
    """Train a localiser until it finds its own training cases; returns its folder and predictor.

    A short training can fail because of its initial weights; it is then repeated with another seed.
    If no attempt succeeds, the best one is used.
    """
    marked = [
        name for name, split in stage.splits.items() if split == "train" and cases.reference[name]
    ]
    places = np.linspace(0, len(marked) - 1, min(MOST_CHECKED, len(marked))).round().astype(int)
    checked = [marked[place] for place in places]
    best: tuple[int, Path, Predictor] | None = None
    for number in range(TRIES):
        place = folder / str(number)
        predictor = _trained({**own, "seed": own["seed"] + number}, data, stage.splits, place)
        hits = sum(cases.find(predictor, name, limits).is_hit for name in checked)
        if best is None or hits > best[0]:
            best = hits, place, predictor
        if hits >= LEARNT * len(checked):
            break
        again = "it is trained again" if number + 1 < TRIES else "the best so far is taken"
        print(f"  found {hits} of {len(checked)} cases that it was trained on: {again}", flush=True)
    assert best is not None
    return best[1], best[2]


def _trained(own: Config, data: TargetData, splits: Mapping[str, str], folder: Path) -> Predictor:
    """Return the predictor of one stage: load it if trained, else train or resume it."""
    done, last = folder / "done", folder / "weights" / "last.ckpt"
    sweep(last.parent, now_s=math.inf)  # left by a stopped training; this process holds the lock
    _drop_broken(last)
    if not (done.is_file() and last.is_file()):
        pl.seed_everything(own["seed"], verbose=False)
        data.change(splits=dict(splits))
        write_text(folder / "config.yaml", yaml.safe_dump(dict(own), sort_keys=False))
        parts = build_parts(own, folder, data.target, data, resumed=last.is_file())
        fit(parts, [], last if last.is_file() else None)
        write_text(done, "")
    # use the settings of this run, since files in the cache may come from another user
    predictor, _ = load_predictor(folder, weights="last", make=build, config=own)
    return predictor


def _drop_broken(last: Path) -> None:
    """Remove a checkpoint that cannot be resumed, such as one cut short by a loss of power."""
    if not last.is_file():
        return
    try:
        resumable_state(last)
    except DataError as error:
        print(f"  {error}; this localiser is trained again here", flush=True)
        last.unlink()


def _write(
    kept: Path,
    folder: Path,
    limits: Limits,
    reference: Mapping[str, Box | None],
    by_case: Mapping[str, Localisation],
    splits: Mapping[str, str],
) -> None:
    """Write the files of the kept localiser; boxes.json is last and marks them as complete."""
    trusted = {name: one.box if one.located.reason == "" else None for name, one in by_case.items()}
    errors = [
        one.error_mm for name, one in by_case.items() if splits[name] == "train" and one.is_hit
    ]
    boxes = Boxes(limits.margin_mm, limits.least_mm, reference, trusted, tuple(errors))
    _copy(kept / "weights" / "last.ckpt", folder / "last.ckpt")
    config = (kept / "config.yaml").read_text(encoding="utf-8")
    write_text(folder / "config.yaml", config)
    write_text(folder / "localiser.json", json.dumps(asdict(limits), indent=1) + "\n")
    write_table(folder / "localisations.tsv", by_case, splits)
    record = {"boxes": boxes.as_dict(), "facts": facts_of(by_case, splits)}
    write_text(folder / "boxes.json", json.dumps(record) + "\n")
