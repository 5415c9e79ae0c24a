"""Scores of whole validation volumes on the working grid, for the training curve.

A study does not use these; it scores saved volumes on their native grids.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from neurotarget.metrics.volume_agreement import icc_a1, pearson_r, spearman_rho
from neurotarget.shapes import Labels, Logits
from neurotarget.types import Target, has_failed

AGREEMENT = {"r": pearson_r, "rho": spearman_rho, "icc": icc_a1}


class CaseScore(NamedTuple):
    """Voxels per foreground label of one case, its loss and its total of voxels; plain values."""

    shared: list[int]
    truth: list[int]
    pred: list[int]
    loss: float
    voxels: int


def score_case(logits: Logits, labels: Labels, loss: float) -> CaseScore:
    """Count the voxels of each class except ignored ones (class L); one case or slab, B = 1.

    Args:
        logits: (1, L, I, J, K); the largest logit decides the class.
        labels: (1, I, J, K).
        loss: loss of the case; NaN for a slab.
    """
    num_labels = logits.shape[1]
    pred = logits.max(dim=1).indices.flatten()  # ten times as fast as argmax along this axis
    truth = labels.flatten().long()
    pred, truth = pred[truth < num_labels], truth[truth < num_labels]
    counts = [
        torch.bincount(classes, minlength=num_labels)[1:num_labels].tolist()
        for classes in (truth[truth == pred], truth, pred)
    ]
    return CaseScore(*counts, loss, truth.numel())


def added(parts: Sequence[CaseScore], loss: float) -> CaseScore:
    """Add the scores of a case's slabs; `loss` is the loss of the whole case.

    Counts can be added exactly; losses of slabs cannot.
    """
    shared, truth, pred, _, voxels = zip(*parts, strict=True)
    counts = [np.sum(several, axis=0).tolist() for several in (shared, truth, pred)]
    return CaseScore(*counts, loss, sum(voxels))


def summarise(scores: Mapping[str, CaseScore], target: Target) -> dict[str, float]:
    """Compute mean Dice and volume agreement per label, mean loss, and number of undefined Dice.

    If a label is absent from truth and prediction, Dice is NaN; it is left out and counted. A
    missed label has Dice 0. `dice_mean` is the mean over labels. `dice_all_foreground` is the Dice
    of a mask of all voxels, 2 f / (1 + f) if the label fills a share f of the volume.
    `failed_share` is the share of masks that failed.
    """
    columns = [np.array([score[field] for score in scores.values()], float) for field in range(3)]
    shared, truth, pred = columns  # (N, labels)
    dice = _dice(shared, truth, pred)
    voxel_mm3 = float(np.prod(target.spacing_mm))
    values: dict[str, float] = {}
    for index, name in enumerate(target.label_names):
        values[f"dice/{name}"] = _mean(dice[:, index])
        for key, agreement in AGREEMENT.items():
            volumes = (truth[:, index] * voxel_mm3, pred[:, index] * voxel_mm3)
            values[f"volume_{key}/{name}"] = agreement(*volumes)
    values["dice_mean"] = _mean(np.array([values[f"dice/{name}"] for name in target.label_names]))
    values["dice_undefined"] = float(np.isnan(dice).sum())
    voxels = np.array([[score.voxels] for score in scores.values()], float)
    trivial = _dice(truth, truth, np.broadcast_to(voxels, truth.shape))
    trivial[np.isnan(dice)] = np.nan
    values["dice_all_foreground"] = _mean(np.array([_mean(column) for column in trivial.T]))
    failed = has_failed(dice, is_lost=(truth > 0) & (pred == 0))
    values["failed_share"] = _mean(np.where(np.isnan(dice), np.nan, failed).ravel())
    values["loss"] = float(np.mean([score.loss for score in scores.values()]))
    return values


def _dice(shared: ndarray, truth: ndarray, pred: ndarray) -> Float[ndarray, "N labels"]:
    total = truth + pred
    return np.divide(2 * shared, total, out=np.full_like(total, np.nan), where=total > 0)


def _mean(values: Float[ndarray, " N"]) -> float:
    """Return the mean of the defined values; NaN without any."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
