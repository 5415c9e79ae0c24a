"""Several networks as one: the mean of their probabilities, or of their weights."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from neurotarget.data.batches.prepare import Preparation
from neurotarget.inference.postprocess import common_steps
from neurotarget.inference.segment import Predictor
from neurotarget.problems import DataError
from neurotarget.types import Roi, Target

SHOWN = 5  # names in a sentence
LARGER = 1.5  # times the smallest region that the region of all members may be

State = Mapping[str, Tensor]


class Ensemble(Predictor):
    """A predictor whose probabilities are the mean of its members' on the same working box.

    Every member has its own network, windows and mirror; scans are read and boxed as the first
    one's target and localiser say, so that what decides this must be the same in all of them.
    Regions that differ a little, as those that each fold's masks propose, are seen as the one that
    holds them all. Of post-processing it has the steps that more than half of its members keep.
    """

    def __init__(self, members: Sequence[Predictor]) -> None:
        """Join predictors.

        Raises:
            DataError: there is none, or they differ in contrasts, labels, spacing, region of
                interest or preparation; all that differs is listed.
        """
        if not members:
            raise DataError("ensemble: found no network, wanted at least one; name a finished run")
        first = members[0]
        if told := _unlike(members):
            raise DataError(
                f"ensemble: its {len(members)} networks see scans in different ways "
                f"({'; '.join(told)}); join networks of one target and preparation"
            )
        super().__init__(
            first.net,
            replace(first.target, roi=common_roi([member.target.roi for member in members])),
            first.preparation,
            inferer=first.inferer,
            device=str(first.device),
            bf16=first.bf16,
            localiser=first.localiser,
            postprocessing=common_steps([member.postprocessing for member in members]),
        )
        self.members = tuple(members)

    @property
    def settings(self) -> dict[str, object]:
        """What decides a prediction beside the weights and the scan, as plain values."""
        return {**super().settings, "members": [member.settings for member in self.members]}

    def probabilities(self, image: Float[ndarray, "C I J K"]) -> Float[ndarray, "L I J K"]:
        """Mean over the members, each with windows of its own."""
        total = np.zeros((), dtype=np.float64)
        for member in self.members:
            total = total + member.probabilities(image)
        return (total / len(self.members)).astype(np.float32)


def common_roi(regions: Sequence[Roi | None]) -> Roi | None:
    """The region that holds all of these, at one anchor; the first where they cannot be joined."""
    first = regions[0]
    if all(region == first for region in regions) or not _are_near(regions):
        return first
    low, high = _hull(regions)
    return Roi(tuple((high - low).tolist()), first.anchor, tuple(((low + high) / 2).tolist()))


def _are_near(regions: Sequence[Roi | None]) -> bool:
    """Whether regions have one anchor, and one that holds them all is hardly larger than each."""
    if any(region is None or region.anchor != regions[0].anchor for region in regions):
        return False
    low, high = _hull(regions)
    smallest = min(np.prod(region.size_mm) for region in regions)
    return bool(np.prod(high - low) <= LARGER * smallest)


def _hull(regions: Sequence[Roi]) -> tuple[Float[ndarray, "3"], Float[ndarray, "3"]]:
    halves = np.array([region.size_mm for region in regions]) / 2
    middles = np.array([region.offset_mm for region in regions])
    return (middles - halves).min(axis=0), (middles + halves).max(axis=0)


def sight(target: Target, preparation: Preparation) -> dict[str, object]:
    """What decides how a scan is read and boxed, and what is found there, as plain values."""
    return {
        "contrasts": list(target.contrasts),
        "labels": {name: list(ids) for name, ids in target.labels.items()},
        "sides": target.sides,
        "spacing_mm": list(target.spacing_mm),
        "roi": asdict(target.roi) if target.roi else None,
        "preparation": asdict(preparation),
    }


def soup(states: Sequence[State]) -> dict[str, Tensor]:
    """Mean of the weights of equal architectures, summed in float64 and given in float32.

    Whole numbers, such as counters of batches, are the first one's. Weights that were trained
    from different starts may be far apart, and their mean then segments nothing.
    Source: Wortsman et al. 2022, arXiv:2203.05482.

    Raises:
        DataError: there is none, or the weights have other names or shapes; all are listed.
    """
    if not states:
        raise DataError("soup: found no weights, wanted those of at least one run; name a run")
    first, *others = states
    for number, other in enumerate(others, start=2):
        if told := differences(other, first):
            raise DataError(
                f"soup: the weights of network {number} are not of the first one's architecture "
                f"({'; '.join(told)}); average runs of one model, or say ensemble=mean"
            )
    return {name: _mean([state[name] for state in states]) for name in first}


def differences(found: State, wanted: State) -> list[str]:
    """What differs between weights by name and shape, in words; empty where they are alike."""
    told = []
    if missing := [name for name in wanted if name not in found]:
        told.append(f"{len(missing)} missing: {_few(missing)}")
    if spare := [name for name in found if name not in wanted]:
        told.append(f"{len(spare)} unexpected: {_few(spare)}")
    other = [
        f"{name} found {_shape(found[name])}, wanted {_shape(tensor)}"
        for name, tensor in wanted.items()
        if name in found and found[name].shape != tensor.shape
    ]
    if other:
        told.append(f"{len(other)} of another shape: {_few(other)}")
    return told


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    if not tensors[0].is_floating_point():
        return tensors[0].clone()
    total = torch.zeros_like(tensors[0], dtype=torch.float64)
    for tensor in tensors:
        total += tensor.double()
    return (total / len(tensors)).float()


def _unlike(members: Sequence[Predictor]) -> list[str]:
    """Settings in which members differ from the first, each once."""
    seen = [
        sight(member.target, member.preparation)
        | {"localiser": "none" if member.localiser is None else "one"}
        for member in members
    ]
    if _are_near([member.target.roi for member in members]):
        for one in seen:
            del one["roi"]
    first, *others = seen
    told = [
        f"{key} {other[key]}, and {first[key]} in the first"
        for other in others
        for key in first
        if other[key] != first[key] or _order(other[key]) != _order(first[key])
    ]
    return list(dict.fromkeys(told))


def _order(value: object) -> list[object]:
    """Order of names, which is that of classes; mappings alone do not compare it."""
    return list(value) if isinstance(value, Mapping) else []


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "one number"
