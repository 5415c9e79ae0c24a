"""Score of a whole film from the probabilities of its pixels, and marks at their peaks."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy import ndimage

from neurotarget.image_score import ImageScore

LEAST = 0.05  # lowest probability of a mark: lower peaks are noise
APART = 0.05  # share of the shorter side; of marks closer than this, the highest stays
MOST_MARKS = 20

Map = Float[ndarray, "..."]  # probabilities of one label


class Mark(NamedTuple):
    """A suspected finding: the pixel of a peak and its probability."""

    place: tuple[int, ...]
    probability: float


def film_score(probabilities: Map, rule: ImageScore) -> float:
    """Probability of a finding in a whole film, 0 to 1, by the rule of the target.

    A film with fewer pixels than the rule needs is used as a whole.
    """
    values = np.asarray(probabilities, dtype=np.float64).ravel()
    if rule.by == "maximum":
        return float(values.max())
    if rule.by == "top_k":
        k = min(rule.top_k_px, len(values))
        return float(np.partition(values, -k)[-k:].mean())
    k = min(rule.least_area_px, len(values))
    return float(centred(np.asarray(np.partition(values, -k)[-k]), rule.top_score))


def centred(values: Map, threshold: float) -> Map:
    """Rescale probabilities below and above `threshold`, so that the threshold becomes 0.5.

    0, 1 and the order of values do not change. `threshold` lies between 0 and 1.
    """
    low = values * (0.5 / threshold)
    high = 0.5 + (values - threshold) * (0.5 / (1 - threshold))
    return np.where(values <= threshold, low, high)


def ruled(probabilities: Map, rule: ImageScore) -> Map:
    """Rescale probabilities so that the mask by the rule consists of the values above 0.5.

    Only the rule `triplet` changes probabilities; in a negative film it leaves none above 0.5.
    """
    if rule.by != "triplet":
        return probabilities
    if film_score(probabilities, rule) <= 0.5:
        return 0.4 * probabilities  # with a maximum of 0.5, interpolation would overshoot 0.5
    return centred(probabilities, rule.bottom_score).astype(probabilities.dtype)


def marks_of(probabilities: Map) -> list[Mark]:
    """Return up to 20 peaks of a probability map, the highest first, none near a higher peak.

    They are the marks of a free-response curve: Bunch et al. 1978, doi:10.1117/12.955926.
    """
    sides = [side for side in probabilities.shape if side > 1]
    apart = max(1, round(APART * min(sides, default=1)))
    size = tuple(2 * apart + 1 if side > 1 else 1 for side in probabilities.shape)
    is_peak = probabilities == ndimage.maximum_filter(probabilities, size=size, mode="nearest")
    places = np.argwhere(is_peak & (probabilities >= LEAST))
    values = probabilities[tuple(places.T)]
    marks: list[Mark] = []
    for at in np.argsort(-values, kind="stable"):
        place = places[at]
        near = [np.abs(place - np.array(mark.place)).max() <= apart for mark in marks]
        if not any(near):
            marks.append(Mark(tuple(map(int, place)), float(values[at])))
        if len(marks) == MOST_MARKS:
            break
    return marks
