"""Augmentation from settings: transforms, their probabilities and strengths.

The order is fixed: spatial transforms (affine, elastic, flip), then bias field, blur and artefacts,
then noise, then the grey scale, then contrasts that drop out, then the user's own transforms in the
order in which they are given. All random numbers come from torch's global generator.
"""

import difflib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torchio as tio

from neurotarget.data.augmentation.shading import BiasField, ContrastDropout, Gamma, ScaleShift
from neurotarget.data.augmentation.warp import Affine, Elastic, Flip, Warp
from neurotarget.derived import terms_of
from neurotarget.problems import DataError
from neurotarget.types import Target

SPATIAL = {"affine": Affine, "elastic": Elastic, "flip": Flip}
INTENSITY = {
    "bias_field": BiasField,
    "motion": tio.RandomMotion,
    "ghosting": tio.RandomGhosting,
    "low_resolution": tio.RandomAnisotropy,
    "blur": tio.RandomBlur,
    "noise": tio.RandomNoise,
    "gamma": Gamma,
    "scale_shift": ScaleShift,
    "contrast_dropout": ContrastDropout,
}
FIXED = {"low_resolution": {"scalars_only": True}}
OF_TARGET = {"channels"}  # parameters that come from the target
LATERAL = re.compile(r"^(left|right)|(^|[\W_])(left|right|lh|rh|l|r)($|[\W_])", re.IGNORECASE)


@dataclass(frozen=True)
class OwnTransform:
    """A transform of the user's own, a function of a subject, applied with probability `p`.

    Attributes:
        name: of the transform in the configuration, in messages and in records.
        transform: gets `image` and, for a case with a mask, `label`; returns the changed subject.
        p: probability, 0 to 1, for each patch.
    """

    name: str
    transform: Callable[[tio.Subject], tio.Subject]
    p: float = 1.0

    def __call__(self, subject: tio.Subject) -> tio.Subject:
        """Transform a patch with probability `p`."""
        return self.apply(subject) if torch.rand(1).item() < self.p else subject

    def apply(self, subject: tio.Subject) -> tio.Subject:
        """Transform `image` and `label` of a patch; the grid must stay the same.

        Raises:
            ValueError: the transform returns no subject, or changes the grid.
        """
        shape, changed = subject.spatial_shape, self.transform(subject)
        if not isinstance(changed, tio.Subject) or changed.spatial_shape != shape:
            raise ValueError(
                f"augment.{self.name}: found {type(changed).__name__}, wanted the subject with "
                f"images of {shape} voxels as before; let the transform return it"
            )
        return changed


Settings = Mapping[str, Mapping[str, object] | OwnTransform | None]


class Transforms(NamedTuple):
    """The transforms of an augmentation, in their order."""

    parts: dict[str, Affine | Elastic | Flip | tio.Transform]  # by name; only those that are used
    own: list[OwnTransform]
    swap: tuple[int, ...]  # the class that each class becomes in a left/right mirror


def read_transforms(settings: Settings | None, *, target: Target) -> Transforms:
    """Make the transforms named in `settings`, for patches of a target.

    Each entry is a transform's name and its parameters, including its probability `p`; an entry
    that is null or has a p of 0 is skipped. An `OwnTransform` may have any name.

    Raises:
        DataError: an unknown transform or parameter, or a left/right flip of a target with
            lateral labels that are not paired.
    """
    given = dict(settings or {})
    own = [given.pop(name) for name in [*given] if isinstance(given[name], OwnTransform)]
    for name, values in given.items():
        _refuse_unknown(name, values)
    applied = {
        name: _plain(values)
        for name, values in given.items()
        if values is not None and values.get("p", 1) != 0
    }
    if 1 in target.patch_vox and "low_resolution" in applied:  # a slice has one voxel across it
        sides = [axis for axis, side in enumerate(target.patch_vox) if side > 1]
        applied["low_resolution"] = {"axes": tuple(sides)} | applied["low_resolution"]
    if "contrast_dropout" in applied:
        applied["contrast_dropout"] |= {"channels": channel_contrasts(target)}
    parts = {name: _make(name, applied[name]) for name in (*SPATIAL, *INTENSITY) if name in applied}
    refuse_unpaired(parts.get("flip"), target)
    swap = (*target.swap, target.ignored_class)  # classes that a flip keeps
    return Transforms(parts, own, swap)


def channel_contrasts(target: Target) -> list[tuple[str, ...]]:
    """Return the contrasts of each channel of the image, in the order of `Target.channels`.

    A channel read from a file has one contrast; a derived channel has all terms of its sum.
    """
    own = [(name,) for name in target.contrasts]
    return own + [
        tuple(term.contrast for term in terms_of(text)) for text in target.derived.values()
    ]


def build_augmentation(settings: Settings | None, *, target: Target) -> tio.Transform:
    """Compose the transforms named in `settings`, for subjects with `image` and `label`.

    Intensity transforms do not change labels; labels are resampled with nearest neighbour; a
    left/right flip swaps the target's pairs. `settings` are those of `read_transforms`.

    Raises:
        DataError: as in `read_transforms`.
    """
    parts, own, swap = read_transforms(settings, target=target)
    moves = {name: part for name, part in parts.items() if name in SPATIAL}
    warp = [Warp(**moves, swap=swap, copy=False)] if moves else []
    scanner = [part for name, part in parts.items() if name in INTENSITY]
    return tio.Compose([*warp, *scanner, *own])


def refuse_unpaired(flip: Flip | None, target: Target) -> None:
    """Refuse a left/right flip that would leave a lateral label on the wrong side.

    Raises:
        DataError: a label has the name of one side and is in no pair.

    A name of one side begins with left or right, or has left, right, lh, rh, l or r as a word.
    Flips along other axes never move a label to the other side.
    """
    if flip is None or 0 not in flip.axes:
        return
    paired = {name for pair in target.pairs for name in pair}
    loose = [name for name in target.label_names if LATERAL.search(name) and name not in paired]
    if loose:
        raise DataError(
            f"target {target.name}: found a left/right flip with unpaired lateral labels "
            f"{', '.join(loose)}, wanted every one of them in pairs; name the pairs in "
            "conf/target or set augment.flip.p=0"
        )


def _make(name: str, values: dict[str, object]) -> Affine | Elastic | Flip | tio.Transform:
    try:
        if name in SPATIAL:
            return SPATIAL[name](**values)
        return INTENSITY[name](**values, **FIXED.get(name, {}), copy=False)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"augment.{name}: found {values}, wanted valid values ({error}); correct conf/augment"
        ) from error


def _refuse_unknown(name: str, values: object) -> None:
    """Refuse a misspelt transform or parameter, naming the nearest."""
    _refuse_unknown_name("augment", name, [*SPATIAL, *INTENSITY])
    if values is not None and not isinstance(values, Mapping):
        raise DataError(
            f"augment.{name}: found {values!r}, wanted its parameters or null; correct conf/augment"
        )
    make: Callable = SPATIAL.get(name) or INTENSITY[name]
    known = {*inspect.signature(make).parameters, "p"} - {
        "kwargs",
        *OF_TARGET,
        *FIXED.get(name, {}),
    }
    for parameter in values or {}:
        _refuse_unknown_name(f"augment.{name}", parameter, sorted(known))


def _refuse_unknown_name(where: str, name: str, known: list[str]) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "correct conf/augment"
        raise DataError(f"{where}: found {name!r}, wanted one of {', '.join(known)}; {hint}")


def _plain(values: Mapping[str, object]) -> dict[str, object]:
    """Turn YAML's lists into the tuples that TorchIO wants."""
    return {key: tuple(item) if isinstance(item, list) else item for key, item in values.items()}
