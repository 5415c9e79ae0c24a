"""Several networks combined: the mean of their probabilities, or of their weights."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from neurotarget.data.batches.prepare import Preparation
from neurotarget.inference.case_predictor import CasePredictor
from neurotarget.inference.postprocess import common_steps
from neurotarget.inference.predict_outcomes import OutcomePredictor
from neurotarget.inference.recalibration import mean_thresholds
from neurotarget.inference.segment import Predictor
from neurotarget.inference.windows.slab_labels import Slab
from neurotarget.problems import DataError
from neurotarget.shapes import times
from neurotarget.types import Roi, Target

SHOWN = 5  # names in a message
LARGER = 1.5  # largest ratio of the common region to the smallest region of a member

State = Mapping[str, Tensor]


class _Joined(CasePredictor):
    """Base of ensembles: the members, and settings that all share with the first member."""

    def __init__(self, members: Sequence[CasePredictor], **further: object) -> None:
        """Join predictors; see `joined`."""
        first = members[0]
        super().__init__(
            first.net,
            replace(first.target, roi=common_roi([member.target.roi for member in members])),
            first.preparation,
            inferer=first.inferer,
            device=str(first.device),
            bf16=first.bf16,
            usual=first.usual,
            fills_missing=all(member.fills_missing for member in members),
            **further,
        )
        self.members = tuple(members)

    @property
    def settings(self) -> dict[str, object]:
        """Everything that affects a prediction except the weights and the scan, as plain values."""
        return {**super().settings, "members": [member.settings for member in self.members]}


class Ensemble(_Joined, Predictor):
    """A predictor whose probabilities are the mean of its members' on the same working box.

    Every member has its own network, windows and mirror; scans are read and cropped by the target
    and localiser of the first, so all settings that affect this must be equal. Regions that differ
    a little, as those proposed by each fold's masks, are replaced by their common hull.
    Post-processing has the steps that more than half of the members keep.
    """

    def __init__(self, members: Sequence[Predictor]) -> None:
        """Join predictors; see `joined`."""
        steps = common_steps([member.postprocessing for member in members])
        super().__init__(members, localiser=members[0].localiser, postprocessing=steps)

    def slabs(self, image: Float[ndarray, "C I J K"]) -> Iterator[Slab]:
        """Mean over the members, each with its own windows, plane by plane.

        Args:
            image: the working box, prepared.

        Yields:
            Probabilities (L, 1, J, K) of one plane along I after the other, in float32.
        """
        members = [_planes(member.slabs(image)) for member in self.members]
        for planes in zip(*members, strict=True):
            total = np.zeros((), dtype=np.float64)
            for plane in planes:
                total = total + plane
            yield (total / len(planes)).astype(np.float32)


def _planes(slabs: Iterable[Slab]) -> Iterator[Slab]:
    for slab in slabs:
        yield from np.split(slab, slab.shape[1], axis=1)


class OutcomeEnsemble(_Joined, OutcomePredictor):
    """A predictor of outcomes with the views of all its members; values are their mean.

    Each member corrects its own probabilities; thresholds are the mean of theirs.
    """

    def __init__(self, members: Sequence[OutcomePredictor]) -> None:
        """Join predictors; see `joined`."""
        steps = mean_thresholds([member.postprocessing for member in members])
        super().__init__(members, postprocessing=steps)

    @property
    def has_maps(self) -> bool:
        """Return whether all members have maps of activations."""
        return all(member.has_maps for member in self.members)

    def activation_maps(self, image: Float[ndarray, "C I J K"]) -> Float[ndarray, "labels I J K"]:
        """Mean of the maps of the members, on the grid of the image; each member must have maps."""
        return np.mean([member.activation_maps(image) for member in self.members], axis=0)

    def views(self, image: Float[ndarray, "C I J K"]) -> Float[ndarray, "views labels"]:
        """Values of the labels by each member, each the corrected mean over its own views.

        A flag about differing views then tells that the networks disagree.
        """
        return np.stack(
            [
                member.postprocessing.apply(self.target.outcomes, member.views(image).mean(axis=0))
                for member in self.members
            ]
        )


def joined(members: Sequence[CasePredictor]) -> CasePredictor:
    """Join several predictors into one, with the mean of their probabilities and numbers.

    Raises:
        DataError: there is none, or they differ in contrasts, labels, outcomes, spacing, region of
            interest or preparation; all differences are listed.
    """
    if not members:
        raise DataError("ensemble: found no network, wanted at least one; name a finished run")
    if unlike := _unlike(members):
        raise DataError(
            f"ensemble: its {len(members)} networks see scans in different ways "
            f"({'; '.join(unlike)}); join networks of one target and preparation"
        )
    kind = OutcomeEnsemble if isinstance(members[0], OutcomePredictor) else Ensemble
    return kind(members)


def common_roi(regions: Sequence[Roi | None]) -> Roi | None:
    """The region that contains all of these, at one anchor; the first if they cannot be joined.

    They can be joined if all have one anchor and their hull has at most `LARGER` times the volume
    of the smallest; None stands for the whole scan, and joins with nothing.
    """
    first = regions[0]
    if all(region == first for region in regions) or not _are_near(regions):
        return first
    low, high = _hull(regions)
    return Roi(tuple((high - low).tolist()), first.anchor, tuple(((low + high) / 2).tolist()))


def _are_near(regions: Sequence[Roi | None]) -> bool:
    """Return whether regions have one anchor, and a hull hardly larger than each of them."""
    if any(region is None or region.anchor != regions[0].anchor for region in regions):
        return False
    low, high = _hull(regions)
    smallest = min(np.prod(region.size_mm) for region in regions)
    return bool(np.prod(high - low) <= LARGER * smallest)


def _hull(regions: Sequence[Roi]) -> tuple[Float[ndarray, "3"], Float[ndarray, "3"]]:
    halves = np.array([region.size_mm for region in regions]) / 2
    middles = np.array([region.offset_mm for region in regions])
    return (middles - halves).min(axis=0), (middles + halves).max(axis=0)


def input_settings(target: Target, preparation: Preparation) -> dict[str, object]:
    """Settings that affect how a scan is read and cropped, and its labels, as plain values.

    Members of an ensemble must agree in all of them.
    """
    return {
        "contrasts": list(target.contrasts),
        "derived": dict(target.derived),
        "labels": {name: list(ids) for name, ids in target.labels.items()},
        "outcomes": [[one.name, one.kind, *one.classes, one.unit] for one in target.outcomes],
        "sides": target.sides,
        "spacing_mm": list(target.spacing_mm),
        "size_vox": target.size_vox,
        "size_units": list(target.size_units),
        "roi": asdict(target.roi) if target.roi else None,
        "preparation": asdict(preparation),
    }


def soup(states: Sequence[State]) -> dict[str, Tensor]:
    """Mean of the weights of equal architectures, summed in float64 and returned in float32.

    Integers, such as batch counters, are those of the first. Weights trained from different starts
    may be far apart, and their mean then segments nothing. Source: Wortsman et al. 2022,
    arXiv:2203.05482.

    Raises:
        DataError: there is none, or the weights differ in names or shapes; all are listed.
    """
    if not states:
        raise DataError("soup: found no weights, wanted those of at least one run; name a run")
    first, *others = states
    for number, other in enumerate(others, start=2):
        if unlike := differences(other, first):
            raise DataError(
                f"soup: the weights of network {number} are not of the first one's architecture "
                f"({'; '.join(unlike)}); average runs of one model, or set ensemble=mean"
            )
    return {name: _mean([state[name] for state in states]) for name in first}


def differences(values: State, wanted: State) -> list[str]:
    """Differences between weights by name and shape, as text; empty if there are none.

    Args:
        values: weights that were found.
        wanted: those that the network has.

    Returns:
        At most three texts: names that are missing, unexpected, or of another shape.
    """
    lines = []
    if missing := [name for name in wanted if name not in values]:
        lines.append(f"{len(missing)} missing: {_few(missing)}")
    if spare := [name for name in values if name not in wanted]:
        lines.append(f"{len(spare)} unexpected: {_few(spare)}")
    other = [
        f"{name} found {times(values[name].shape)}, wanted {times(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in values and values[name].shape != tensor.shape
    ]
    if other:
        lines.append(f"{len(other)} of another shape: {_few(other)}")
    return lines


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    if not tensors[0].is_floating_point():
        return tensors[0].clone()
    total = torch.zeros_like(tensors[0], dtype=torch.float64)
    for tensor in tensors:
        total += tensor.double()
    return (total / len(tensors)).float()


def _unlike(members: Sequence[CasePredictor]) -> list[str]:
    """Settings in which members differ from the first, each once."""
    seen = [
        input_settings(member.target, member.preparation)
        | {"localiser": "none" if getattr(member, "localiser", None) is None else "one"}
        | {"task": type(member).__name__}
        for member in members
    ]
    if _are_near([member.target.roi for member in members]):
        for one in seen:
            del one["roi"]
    first, *others = seen
    unlike = [
        f"{key} {other[key]}, and {first[key]} in the first"
        for other in others
        for key in first
        if other[key] != first[key] or _order(other[key]) != _order(first[key])
    ]
    return list(dict.fromkeys(unlike))


def _order(value: object) -> list[object]:
    """Order of names, which is that of classes; comparing mappings would ignore it."""
    return list(value) if isinstance(value, Mapping) else []


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
