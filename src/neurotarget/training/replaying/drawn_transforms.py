"""Transforms and parameters with which a training patch was augmented, as text."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from neurotarget.data.augmentation.augmenter import FLIP, OWN, Augmenter, Seeds
from neurotarget.data.augmentation.parameter_values import (
    affine_values,
    blur_of,
    gamma_of,
    ghosting_of,
    low_resolution_of,
    motion_of,
    noise_of,
)

Drawn = dict[str, dict[str, object]]  # parameters by transform, as plain values
QUEUE_NAMES = {  # of TorchIO's record of what it has applied
    "Motion": "motion",
    "Ghosting": "ghosting",
    "Resample": "low_resolution",
    "Blur": "blur",
    "Noise": "noise",
}
SKIPPED = ("seed",)  # of TorchIO's noise
DIGITS = 4  # significant ones in a text


def drawn_in_batch(augmenter: Augmenter, seeds: Seeds) -> list[Drawn]:
    """Return the transforms of each patch of a batch, from the seeds of its samples.

    Args:
        augmenter: augmenter of the training.
        seeds: one pair per patch, see `batch_cuts.seeds_of`.

    Returns:
        Parameters by transform, for the transforms that were applied to the patch; a transform of
        the user's own has no parameters.
    """
    numbers = augmenter.numbers(seeds)
    found: list[Drawn] = [{} for _ in seeds]
    for name, (rows, values) in augmenter.drawn(numbers, augmenter.happens(numbers)).items():
        if name.startswith(FLIP):
            for row in rows:
                axes = found[row].setdefault("flip", {"axes": []})["axes"]
                axes.append(int(name.removeprefix(FLIP)))
        elif name.startswith(OWN):
            for row in rows:
                found[row][augmenter.own[int(name.removeprefix(OWN))].name] = {}
        else:
            read = READERS[name](augmenter.parts[name], values, augmenter)
            for place, row in enumerate(rows):
                found[row][name] = {key: _plain(all_[place]) for key, all_ in read.items()}
    return found


def drawn_in_queue(
    ours: Mapping[str, Mapping], applied: Sequence[tuple[str, Mapping[str, object]]]
) -> Drawn:
    """Return the transforms applied to a patch of the queue: neurotarget's and TorchIO's.

    Args:
        ours: neurotarget's transforms, stored under `warp.DRAWN` of the subject.
        applied: name and arguments of each transform in the history of the subject.
    """
    found = {name: dict(values) for name, values in ours.items()}
    for name, arguments in applied:
        if name not in QUEUE_NAMES:
            continue  # the cut to the patch
        values = found.setdefault(QUEUE_NAMES[name], {})
        for key, value in arguments.items():
            own = value.get("image") if isinstance(value, Mapping) else value
            if key not in SKIPPED and _is_numeric(own):
                values[key] = _plain(np.asarray(own))
    return found


def as_text(drawn: Drawn) -> str:
    """Write transforms as a table cell: `affine scale=1.02 degrees=3,-8,2; noise`."""
    return "; ".join(
        " ".join([name, *(f"{key}={_short(value)}" for key, value in values.items())])
        for name, values in drawn.items()
    )


def _affine(part: object, values: np.ndarray, augmenter: Augmenter) -> dict[str, np.ndarray]:
    scale, angles, shift = affine_values(part, values, augmenter.patch_vox)
    return {"scale": scale, "degrees": np.rad2deg(angles), "shift_vox": shift}


def _elastic(part: object, values: np.ndarray, _: Augmenter) -> dict[str, np.ndarray]:
    return {"largest_vox": np.abs(2 * values - 1).max(axis=1) * part.displacement_mm}


def _bias_field(part: object, values: np.ndarray, augmenter: Augmenter) -> dict[str, np.ndarray]:
    count = part.order + 1
    is_used = np.indices((count, count, count)).sum(axis=0).ravel() <= part.order
    values = values.reshape(len(values), augmenter.num_contrasts, -1)[..., is_used]
    return {"largest_coefficient": np.abs(2 * values - 1).max(axis=2) * part.coefficients}


def _motion(part: object, values: np.ndarray, augmenter: Augmenter) -> dict[str, np.ndarray]:
    degrees, shift, times = motion_of(part, values, augmenter.patch_vox)
    return {"degrees": degrees, "shift_vox": shift, "times": times}


def _ghosting(part: object, values: np.ndarray, augmenter: Augmenter) -> dict[str, np.ndarray]:
    axis, count, strength, restored = ghosting_of(part, values, augmenter.patch_vox)
    known = {"axis": axis, "ghosts": count, "intensity": strength}
    return known if restored is None else known | {"restored": restored}


def _low_resolution(part: object, values: np.ndarray, _: Augmenter) -> dict[str, np.ndarray]:
    return dict(zip(("axis", "factor"), low_resolution_of(part, values), strict=True))


def _blur(part: object, values: np.ndarray, _: Augmenter) -> dict[str, np.ndarray]:
    return {"sd_vox": np.stack(blur_of(part, values), axis=1)}


def _noise(part: object, values: np.ndarray, _: Augmenter) -> dict[str, np.ndarray]:
    return dict(zip(("mean", "sd"), noise_of(part, values), strict=True))


def _gamma(part: object, values: np.ndarray, _: Augmenter) -> dict[str, np.ndarray]:
    gamma, sign = gamma_of(part, values)
    return {"gamma": gamma, "is_inverted": sign < 0}


def _scale_shift(part: object, values: np.ndarray, _: Augmenter) -> dict[str, np.ndarray]:
    return dict(zip(("factor", "shift"), part.scales(values), strict=True))


def _contrast_dropout(part: object, values: np.ndarray, _: Augmenter) -> dict[str, np.ndarray]:
    return {"dropped": part.dropped(values)}


READERS: Mapping[str, Callable[[object, np.ndarray, Augmenter], dict[str, np.ndarray]]] = {
    "affine": _affine,
    "elastic": _elastic,
    "bias_field": _bias_field,
    "motion": _motion,
    "ghosting": _ghosting,
    "low_resolution": _low_resolution,
    "blur": _blur,
    "noise": _noise,
    "gamma": _gamma,
    "scale_shift": _scale_shift,
    "contrast_dropout": _contrast_dropout,
}


def _plain(value: np.ndarray) -> object:
    return np.asarray(value).tolist()


def _is_numeric(value: object) -> bool:
    try:
        return np.asarray(value).dtype.kind in "fiu"
    except ValueError:  # a ragged sequence
        return False


def _short(value: object) -> str:
    values = np.asarray(value).ravel().tolist()
    return ",".join(
        f"{one:.{DIGITS}g}" if isinstance(one, float) else str(one).lower() for one in values
    )
