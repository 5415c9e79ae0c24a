"""Score a folder of predictions: label maps, or outcomes for a target without labels."""

from collections.abc import Collection, Mapping
from pathlib import Path

from neurotarget.inference.outcome_table import FILE
from neurotarget.metrics.own_metrics import OwnMetrics
from neurotarget.problems import DataError
from neurotarget.studies.study_inputs import check_masks
from neurotarget.tasks.score_outcomes import outcome_rows, segmentation_rows
from neurotarget.types import Manifest, Row, Target


def score_predictions(
    manifest: Manifest,
    predictions: Path,
    target: Target,
    splits: Mapping[str, str],
    *,
    which: Collection[str],
    own: OwnMetrics | None = None,
) -> list[Row]:
    """Return score rows of label maps, or of outcomes.tsv for a target without labels.

    Args:
        manifest: cases with their reference masks or outcomes.
        predictions: folder that predict.py wrote; masks may also be those of another program.
        target: labels or outcomes.
        splits: split by case.
        which: splits that are scored, such as test and external.
        own: metrics of the user, computed as well.

    Raises:
        DataError: the folder has no predictions, they cannot be scored, or metrics of the user's
            own, which compare masks, are given for outcomes.
    """
    if target.labels:
        check_masks(predictions, splits)
        return segmentation_rows(manifest, predictions, target, splits, which=which, own=own)
    if not (predictions / FILE).is_file():
        raise DataError(
            f"{predictions}: found no {FILE}, wanted the folder that predict.py wrote; check the "
            "path"
        )
    return outcome_rows(manifest, predictions, target, splits, which=which, own=own)
