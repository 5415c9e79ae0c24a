"""Choice of post-processing on the validation cases, with the weights of the run's predictions."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.labels import class_of_id, to_classes
from neurotarget.data.scans.volume import counted_for, read_volume
from neurotarget.files.hashes import digest, hash_of_value
from neurotarget.files.reading import read_plain
from neurotarget.inference.postprocess_choice import Example, choose
from neurotarget.inference.segment import Predictor
from neurotarget.metrics.volume_error import voxel_mm3
from neurotarget.problems import DataError
from neurotarget.runs.folder.run_folder import POSTPROCESSING, weights_path, write_json
from neurotarget.runs.network.objects import build
from neurotarget.runs.network.predictor import load_predictor
from neurotarget.size_units import SizeUnits
from neurotarget.types import Case

VERSION = 2  # of the rule; increase it so that every run chooses again when it is scored
MOST_CASES = 40  # validation cases to predict; more take time and hardly change the choice
log = logging.getLogger(__name__)


def learn_postprocessing(
    folder: Path, data: TargetData, *, weights: str = "best", mode: str = "auto"
) -> dict[str, Any]:
    """Choose the steps for a run and write `postprocessing.json`; returns its content.

    Validation cases are predicted in the same way as held-out cases, on their own grid. An existing
    file from the same weights, settings and cases is kept. If `mode` is none, an existing file is
    removed.
    """
    path = folder / POSTPROCESSING
    if mode == "none":
        path.unlink(missing_ok=True)
        return {}
    predictor, made_by = load_predictor(folder, weights=weights, postprocess="none", make=build)
    cases = [case for case in data.cases("val") if case.label is not None]
    cases = cases[:: math.ceil(len(cases) / MOST_CASES)] if cases else []
    made_from = _hash(predictor, made_by, cases, data)
    if (kept := read_plain(path)).get("made_from") == made_from:
        return kept
    path.unlink(missing_ok=True)
    examples = _examples(predictor, cases, data)
    choice, units = choose(examples, predictor.target.expected_pieces), predictor.target.size_units
    record = {
        "steps": choice.steps.as_dict(units),
        "n_cases": len(examples),
        "changes": [_plain(change._asdict(), units) for change in choice.changes],
        "trials": [
            _plain(trial._replace(step=units.named(trial.step))._asdict(), units)
            for trial in choice.trials
        ],
        "weights_sha256": digest(weights_path(folder, weights)),
        "made_from": made_from,
        **({"size_units": units} if predictor.target.is_flat else {}),
    }
    write_json(path, record)
    return record


def _examples(predictor: Predictor, cases: Sequence[Case], data: TargetData) -> list[Example]:
    """References and predictions; a case that cannot be predicted is skipped and logged."""
    ids, examples = class_of_id(predictor.target, data.manifest.label_ids), []
    for case in tqdm(cases, "validation", unit="case", delay=1):
        try:
            prediction = predictor.predict(case)
            volume = read_volume(case.label, case_id=case.case_id)
            volume = counted_for(volume, predictor.target)
            truth = to_classes(volume.array, ids, case_id=case.case_id, file=str(case.label))
        except (DataError, MemoryError, RuntimeError) as error:
            log.warning("%s: left out of post-processing (%s)", case.case_id, error)
            continue
        if truth.shape != prediction.classes.shape:
            log.warning("%s: left out of post-processing: mask on another grid", case.case_id)
            continue
        if not volume.is_sized:
            volume = volume._replace(affine=prediction.grid.native_affine)
        spacing_mm, one_mm3 = volume.spacing_mm, voxel_mm3(volume.affine)
        examples.append(Example(truth, prediction.classes, spacing_mm, one_mm3).cropped())
    return examples


def _hash(predictor: Predictor, made_by: str, cases: Sequence[Case], data: TargetData) -> str:
    """Hash of all that the choice depends on; prepared folders are named by their content."""
    prepared = {case.case_id: data.folders[case.case_id].name for case in cases}
    return hash_of_value([VERSION, made_by, predictor.settings, prepared], 16)


def _plain(values: dict[str, Any], units: SizeUnits) -> dict[str, Any]:
    """Convert values for JSON, which has no NaN; names end in these units."""
    return {
        units.named(key): None if isinstance(value, float) and math.isnan(value) else value
        for key, value in values.items()
    }
