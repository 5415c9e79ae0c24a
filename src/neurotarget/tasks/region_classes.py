"""Prediction by one network with a logit per region, where regions may overlap."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from neurotarget.inference.segment import Predictor
from neurotarget.problems import DataError
from neurotarget.types import Target


class Membership(NamedTuple):
    """Regions that a network scores, and a matrix (class, region): 1 if the class is inside."""

    names: tuple[str, ...]
    inside: Float[Tensor, "L R"]


def membership(target: Target) -> Membership:
    """Return the regions of a target; without regions, each label is a region.

    Raises:
        DataError: a label lies in no region, or two labels lie in the same regions, which then do
            not distinguish them.
    """
    regions = target.regions or {name: (name,) for name in target.labels}
    rows = [[name in parts for parts in regions.values()] for name in target.labels]
    names = {}
    for label, row in zip(target.labels, rows, strict=True):
        names.setdefault(tuple(row), []).append(label)
    alike = [" and ".join(labels) for labels in names.values() if len(labels) > 1]
    lost = [label for label, row in zip(target.labels, rows, strict=True) if not any(row)]
    if lost or alike:
        found = f"{', '.join(lost)} in no region" if lost else f"{alike[0]} in the same regions"
        raise DataError(
            f"target.regions: found {found}, wanted regions that tell all labels apart for "
            "task=regions; add a region, or set task=segmentation"
        )
    return Membership(tuple(regions), torch.tensor([[False] * len(regions), *rows]).float())


def class_scores(scores: Float[Tensor, "R ..."], inside: Tensor) -> Float[Tensor, "L ..."]:
    """Compute logits of classes as sums of the logits of the regions of each class.

    If regions are independent, a class has the probability that its own regions are present and
    the others absent. Divided by that of background, this is the product of its regions' odds,
    so that logits are added, and a softmax gives the probabilities given that some class is true.
    """
    return torch.tensordot(inside.to(scores.device, scores.dtype), scores, dims=1)


class RegionClassPredictor(Predictor):
    """Segments scans with a network that has one logit per region of the target."""

    @property
    def settings(self) -> dict[str, object]:
        """All settings that affect a prediction, as plain values."""
        known = {name: list(parts) for name, parts in self.target.regions.items()}
        return {**super().settings, "fusion": "odds", "regions": known}

    def to_probabilities(self, scores: Float[Tensor, "R ..."]) -> Float[Tensor, "L ..."]:
        """Compute class probabilities (L, I, J, K) from logits (R, I, J, K); their sum is 1."""
        return class_scores(scores.float(), membership(self.target).inside).softmax(0)
