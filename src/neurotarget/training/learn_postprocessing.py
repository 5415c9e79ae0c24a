"""Choose post-processing on the validation cases, with the weights of the run's predictions."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from neurotarget.data.batches.datamodule import TargetData
from neurotarget.files.hashes import digest, hash_of_value
from neurotarget.files.reading import read_plain
from neurotarget.inference.case_predictor import CasePredictor
from neurotarget.inference.segment import Predictor
from neurotarget.problems import DataError
from neurotarget.runs.folder.run_folder import weights_path, write_json
from neurotarget.runs.network.objects import build
from neurotarget.runs.network.predictor import load_predictor
from neurotarget.types import Case

VERSION = 2  # of the rule; increase it so that every run chooses again when it is scored
log = logging.getLogger(__name__)


def learn_postprocessing(
    folder: Path,
    data: TargetData,
    *,
    kind: type[CasePredictor] = Predictor,
    weights: str = "best",
    mode: str = "auto",
) -> dict[str, Any]:
    """Choose the steps for a run and write its `steps_file`; returns its content.

    Validation cases are predicted in the same way as held-out cases, on their own grid. An existing
    file from the same weights, settings and cases is kept.

    Args:
        folder: folder of the run.
        data: cases, splits and target.
        kind: class of the predictor, which knows the steps.
        weights: `best` or `last`.
        mode: `auto`, or `none`, which chooses nothing and removes an existing file.
    """
    path = folder / kind.steps_file
    if mode == "none":
        path.unlink(missing_ok=True)
        return {}
    predictor, made_by = load_predictor(folder, weights=weights, postprocess="none", make=build)
    cases = [case for case in data.cases("val") if predictor.has_reference(case)]
    cases = cases[:: math.ceil(len(cases) / predictor.most_examples)] if cases else []
    made_from = _hash(predictor, made_by, cases, data)
    if (kept := read_plain(path)).get("made_from") == made_from:
        return kept
    path.unlink(missing_ok=True)
    examples = _examples(predictor, cases, data)
    record = {
        **predictor.choose(examples),
        "n_cases": len(examples),
        "weights_sha256": digest(weights_path(folder, weights)),
        "made_from": made_from,
        **({"size_units": predictor.target.size_units} if predictor.target.is_flat else {}),
    }
    write_json(path, record)
    return record


def _examples(predictor: CasePredictor, cases: Sequence[Case], data: TargetData) -> list[Any]:
    """Collect references and predictions; a case that cannot be predicted is skipped and logged."""
    examples = []
    for case in tqdm(cases, "validation", unit="case", delay=1):
        try:
            examples.append(predictor.example(case, data.manifest))
        except (DataError, MemoryError, RuntimeError) as error:
            log.warning("%s: left out of post-processing (%s)", case.case_id, error)
    return examples


def _hash(predictor: CasePredictor, made_by: str, cases: Sequence[Case], data: TargetData) -> str:
    """Hash everything that the choice depends on; prepared folders are named by their content."""
    prepared = {case.case_id: data.folders[case.case_id].name for case in cases}
    return hash_of_value([VERSION, made_by, predictor.settings, prepared], 16)
