"""Kinds of tasks: the members that are needed to build a trained network and predict with it.

This module trains nothing, so that a prediction loads no training code.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import ClassVar

from torch import Tensor, nn

from neurotarget.data.sides.pairs import as_trained
from neurotarget.inference.case_predictor import CasePredictor
from neurotarget.inference.predict_outcomes import OutcomePredictor, output_sizes
from neurotarget.inference.segment import Predictor
from neurotarget.inference.windows.tiling import SlidingWindow
from neurotarget.inference.windows.whole_image import WholeImage
from neurotarget.models.region_nets import RegionNets
from neurotarget.outcome import OutcomeKind
from neurotarget.problems import DataError
from neurotarget.tasks.region_classes import RegionClassPredictor, membership
from neurotarget.tasks.regions import RegionPredictor
from neurotarget.types import Target


class TaskKind(ABC):
    """Type of a network's prediction, size of its output, and its use on a whole image."""

    predictor: ClassVar[type[CasePredictor]]  # of a trained network

    @classmethod
    @abstractmethod
    def check_target(cls, target: Target) -> None:
        """Refuse a target that has nothing for this task.

        Raises:
            DataError: the target has no labels or outcomes that the task predicts.
        """

    @classmethod
    @abstractmethod
    def net_arguments(cls, target: Target) -> dict[str, int]:
        """Return the arguments of a network for this target: contrasts and size of the output.

        The keys are parameters of the network's class: `in_channels`, and `num_labels` or
        `num_outputs`.
        """

    @classmethod
    def make_net(cls, make: Callable[[], nn.Module], target: Target) -> nn.Module:  # noqa: ARG003
        """Build the network from one or more networks that `make` returns.

        Each call of `make` returns a network with new random weights.
        """
        return make()

    @classmethod
    @abstractmethod
    def window(
        cls, target: Target, *, overlap: float, swap: Sequence[int] | None, margin_vox: int
    ) -> Callable[..., Tensor]:
        """Return the inferer for a whole image: a `SlidingWindow` or a `WholeImage`.

        Args:
            target: target whose patch is the size of a window.
            overlap: share of a window that its neighbour also covers, 0 to below 1.
            swap: new class of each class in a left/right mirror; None for no mirror.
            margin_vox: voxels at each face of a window without a score.
        """


class Segmentation(TaskKind):
    """A label map: a class for every voxel."""

    predictor: ClassVar[type[CasePredictor]] = Predictor

    @classmethod
    def check_target(cls, target: Target) -> None:
        """Refuse a target without labels.

        Raises:
            DataError: the target has no labels.
        """
        if not target.labels:
            raise DataError(
                f"target {target.name}: found no labels to segment, only outcomes; set "
                "task=classification or task=regression, or name labels"
            )

    @classmethod
    def net_arguments(cls, target: Target) -> dict[str, int]:
        """Return the numbers of contrasts and of classes, with background, without ignored."""
        return {
            "in_channels": len(target.channels),
            "num_labels": as_trained(target).num_labels,
        }

    @classmethod
    def window(
        cls, target: Target, *, overlap: float, swap: Sequence[int] | None, margin_vox: int
    ) -> SlidingWindow:
        """Return sliding windows of the target's patch."""
        return SlidingWindow(target.patch_vox, overlap=overlap, swap=swap, margin_vox=margin_vox)


class NWay(Segmentation):
    """A label map, fused from one binary network per label."""

    predictor: ClassVar[type[CasePredictor]] = RegionPredictor

    @classmethod
    def net_arguments(cls, target: Target) -> dict[str, int]:
        """Return the numbers of contrasts and of logits of one network."""
        return {"in_channels": len(target.channels), "num_labels": 1}

    @classmethod
    def make_net(cls, make: Callable[[], nn.Module], target: Target) -> nn.Module:
        """Build one network for all labels together and one per label, with different weights."""
        return RegionNets([make() for _ in range(as_trained(target).num_labels)])


class Regions(Segmentation):
    """A label map from regions that may overlap."""

    predictor: ClassVar[type[CasePredictor]] = RegionClassPredictor

    @classmethod
    def check_target(cls, target: Target) -> None:
        """Refuse a target whose regions do not distinguish its labels, or that has pairs.

        Raises:
            DataError: the regions do not distinguish the labels, or the target has pairs.
        """
        super().check_target(target)
        membership(target)
        if target.pairs:
            raise DataError(
                f"target {target.name}: found pairs of left and right, which task=regions does not "
                "exchange in mirrored scans; set task=segmentation"
            )

    @classmethod
    def net_arguments(cls, target: Target) -> dict[str, int]:
        """Return the numbers of contrasts and of regions."""
        return {"in_channels": len(target.channels), "num_labels": len(membership(target).names)}

    @classmethod
    def window(
        cls, target: Target, *, overlap: float, swap: Sequence[int] | None, margin_vox: int
    ) -> SlidingWindow:
        """Return sliding windows; in mirrored windows each region keeps its channel."""
        own = None if swap is None else tuple(range(len(membership(target).names)))
        return super().window(target, overlap=overlap, swap=own, margin_vox=margin_vox)


class OutcomePrediction(TaskKind):
    """Prediction of outcomes of a whole image."""

    predictor: ClassVar[type[CasePredictor]] = OutcomePredictor
    kinds: ClassVar[Collection[OutcomeKind]]  # of outcomes that the task predicts

    @classmethod
    def check_target(cls, target: Target) -> None:
        """Refuse a target without outcomes, or with outcomes of another task.

        Raises:
            DataError: the target has no outcome of this task's kinds, or also other kinds.
        """
        name, wanted = cls.__name__, " or ".join(cls.kinds)
        if not target.outcomes:
            has = f"labels ({', '.join(target.labels)})" if target.labels else "no labels either"
            raise DataError(
                f"target {target.name}: found no outcomes for {name}, only {has}; name them, such "
                "as outcomes: {diagnosis: {kind: binary, classes: [healthy, ill]}}, or set "
                "task=segmentation"
            )
        if other := [one for one in target.outcomes if one.kind not in cls.kinds]:
            listed = ", ".join(f"{one.name} ({one.kind})" for one in other)
            raise DataError(
                f"target {target.name}: found the outcomes {listed} for {name}, wanted {wanted}; "
                "give them a target of their own, or choose another task"
            )

    @classmethod
    def net_arguments(cls, target: Target) -> dict[str, int]:
        """Return the numbers of contrasts and of outputs."""
        return {"in_channels": len(target.channels), "num_outputs": sum(output_sizes(target))}

    @classmethod
    def window(
        cls, target: Target, *, overlap: float, swap: Sequence[int] | None, margin_vox: int
    ) -> WholeImage:
        """Return an inferer for the middle of an image, in the size of the target's patch."""
        del overlap, margin_vox  # of sliding windows
        return WholeImage(target.patch_vox, swap=swap)


class Classification(OutcomePrediction):
    """Prediction of classes of a whole image."""

    kinds: ClassVar[Collection[OutcomeKind]] = ("binary", "classes")


class Regression(OutcomePrediction):
    """Prediction of numbers of a whole image."""

    kinds: ClassVar[Collection[OutcomeKind]] = ("number",)
