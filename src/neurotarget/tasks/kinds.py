"""Kinds of tasks: what it takes to build a trained network and to predict with it.

Nothing here trains, so that a prediction need not load what only a training uses.
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
    """What a network predicts of a target, its size, and how it is moved over a whole image."""

    predictor: ClassVar[type[CasePredictor]]  # of a trained network

    @classmethod
    @abstractmethod
    def check_target(cls, target: Target) -> None:
        """Refuse a target that has nothing for this task.

        Raises:
            DataError: it has no labels or outcomes of the kinds that the task predicts.
        """

    @classmethod
    @abstractmethod
    def net_arguments(cls, target: Target) -> dict[str, int]:
        """Arguments of a network for this target: contrasts, and the size of the output.

        By the names of the parameters of its class: `in_channels` and `num_labels` or
        `num_outputs`.
        """

    @classmethod
    def make_net(cls, make: Callable[[], nn.Module], target: Target) -> nn.Module:  # noqa: ARG003
        """The network, of one or more that `make` makes with these arguments.

        Each call of `make` gives a network with random weights of its own.
        """
        return make()

    @classmethod
    @abstractmethod
    def window(
        cls, target: Target, *, overlap: float, swap: Sequence[int] | None, margin_vox: int
    ) -> Callable[..., Tensor]:
        """What runs a network on a whole image: see `SlidingWindow` and `WholeImage`.

        Args:
            target: its patch is the size of a window.
            overlap: share of a window that its neighbour covers too, 0 to below 1.
            swap: class that each class becomes in a left/right mirror; None for no mirror.
            margin_vox: voxels at each face of a window without a score.
        """


class Segmentation(TaskKind):
    """A label map: a class for every voxel."""

    predictor: ClassVar[type[CasePredictor]] = Predictor

    @classmethod
    def check_target(cls, target: Target) -> None:
        """Refuse a target without labels.

        Raises:
            DataError: it has none.
        """
        if not target.labels:
            raise DataError(
                f"target {target.name}: found no labels to segment, only outcomes; set "
                "task=classification or task=regression, or name labels"
            )

    @classmethod
    def net_arguments(cls, target: Target) -> dict[str, int]:
        """Numbers of contrasts and of classes with background; ignored voxels are no class."""
        return {
            "in_channels": len(target.channels),
            "num_labels": as_trained(target).num_labels,
        }

    @classmethod
    def window(
        cls, target: Target, *, overlap: float, swap: Sequence[int] | None, margin_vox: int
    ) -> SlidingWindow:
        """Sliding windows of the target's patch."""
        return SlidingWindow(target.patch_vox, overlap=overlap, swap=swap, margin_vox=margin_vox)


class NWay(Segmentation):
    """A label map that binary networks, one for each label, agree on."""

    predictor: ClassVar[type[CasePredictor]] = RegionPredictor

    @classmethod
    def net_arguments(cls, target: Target) -> dict[str, int]:
        """Numbers of contrasts and of logits of one network."""
        return {"in_channels": len(target.channels), "num_labels": 1}

    @classmethod
    def make_net(cls, make: Callable[[], nn.Module], target: Target) -> nn.Module:
        """A network for all labels together and one for each, which start from other weights."""
        return RegionNets([make() for _ in range(as_trained(target).num_labels)])


class Regions(Segmentation):
    """A label map from regions that may overlap."""

    predictor: ClassVar[type[CasePredictor]] = RegionClassPredictor

    @classmethod
    def check_target(cls, target: Target) -> None:
        """Refuse a target whose regions do not tell its labels apart, or with sides.

        Raises:
            DataError: it has none, or pairs.
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
        """Numbers of contrasts and of regions."""
        return {"in_channels": len(target.channels), "num_labels": len(membership(target).names)}

    @classmethod
    def window(
        cls, target: Target, *, overlap: float, swap: Sequence[int] | None, margin_vox: int
    ) -> SlidingWindow:
        """Sliding windows; in mirrored ones each region keeps its place."""
        own = None if swap is None else tuple(range(len(membership(target).names)))
        return super().window(target, overlap=overlap, swap=own, margin_vox=margin_vox)


class OutcomePrediction(TaskKind):
    """Outcomes of a whole image."""

    predictor: ClassVar[type[CasePredictor]] = OutcomePredictor
    kinds: ClassVar[Collection[OutcomeKind]]  # of outcomes that the task predicts

    @classmethod
    def check_target(cls, target: Target) -> None:
        """Refuse a target without outcomes, or with those of another task.

        Raises:
            DataError: the target has none of the kinds, or others too.
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
        """Numbers of contrasts and of outputs."""
        return {"in_channels": len(target.channels), "num_outputs": sum(output_sizes(target))}

    @classmethod
    def window(
        cls, target: Target, *, overlap: float, swap: Sequence[int] | None, margin_vox: int
    ) -> WholeImage:
        """The middle of an image, in the size of the target's patch."""
        del overlap, margin_vox  # of sliding windows
        return WholeImage(target.patch_vox, swap=swap)


class Classification(OutcomePrediction):
    """Classes of a whole image."""

    kinds: ClassVar[Collection[OutcomeKind]] = ("binary", "classes")


class Regression(OutcomePrediction):
    """Numbers of a whole image."""

    kinds: ClassVar[Collection[OutcomeKind]] = ("number",)
