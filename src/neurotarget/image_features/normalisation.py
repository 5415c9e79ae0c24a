"""Scales that make intensities comparable between scans, from the voxels of a brain.

`zscore`, `white_stripe` and `nyul` give arbitrary units another zero and step; division by a median
(of the brain, or of the other side) keeps ratios, as maps in physical units need.
"""

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Real
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d

from neurotarget.data.histogram_scale import Landmarks, landmarks_of
from neurotarget.problems import DataError, error

Normalisation = Literal[
    "none", "zscore", "white_stripe", "nyul", "brain_median", "contralateral_median"
]
ARBITRARY = frozenset(("zscore", "white_stripe", "nyul"))  # which destroy calibrated units
NEED_BRAIN = ARBITRARY | {"brain_median"}

STRIPE = 0.05  # share of the brain's voxels to both sides of the white matter's mode
HIGH = 98.0  # percentile above which fat, vessels and contrast agent lie
BINS, SMOOTH_BINS = 1000, 15
FEWEST_VOXELS = 1000

Values = Float[ndarray, " V"]
Image = Real[ndarray, "..."]


def check_brain(image: Image, brain: Bool[ndarray, "..."]) -> Values:
    """Intensities of a brain.

    Args:
        image: the scan.
        brain: its brain mask.

    Returns:
        Intensities of the brain's voxels.

    Raises:
        DataError: it has too few voxels, or they are constant or undefined.
    """
    values = image[brain].astype(float)
    if len(values) < FEWEST_VOXELS or not np.isfinite(values).all() or not np.ptp(values):
        found = f"{len(values)} voxels of the brain that are too few, constant, NaN or Inf"
        wanted = f"at least {FEWEST_VOXELS} voxels that differ"
        raise DataError(error(found, wanted, "give brain masks with brains=<folder>"))
    return values


def zscored(image: Image, values: Values) -> Image:
    """The image with mean 0 and standard deviation 1 in the brain of intensities `values`."""
    return (image - values.mean()) / values.std()


def white_striped(image: Image, values: Values, *, is_t1: bool) -> Image:
    """The image with mean 0 and standard deviation 1 in normal-appearing white matter.

    Its mode is the last peak of the histogram of T1, and the highest of other contrasts; the stripe
    are the voxels within 5 % of the brain's voxels to both sides of it.

    Args:
        image: the scan.
        values: intensities of its brain.
        is_t1: whether white matter is the brightest tissue.

    Raises:
        DataError: the stripe has one intensity.

    Source: Shinohara et al. 2014, doi:10.1016/j.nicl.2014.08.008.
    """
    mode = _white_mode(values, is_t1=is_t1)
    share = float((values <= mode).mean())
    ends = np.clip((share - STRIPE, share + STRIPE), 0, 1)
    low, high = np.quantile(values, ends)
    stripe = values[(values >= low) & (values <= high)]
    if not stripe.std():
        found, wanted = "white matter of one intensity", "intensities that differ"
        raise DataError(error(found, wanted, "choose normalise=zscore"))
    return (image - stripe.mean()) / stripe.std()


def _white_mode(values: Values, *, is_t1: bool) -> float:
    """Mode of white matter in a smoothed histogram."""
    top = np.percentile(values, HIGH)
    counts, edges = np.histogram(values, BINS, (values.min(), top))
    smooth = gaussian_filter1d(counts.astype(float), SMOOTH_BINS, mode="constant")
    middles = (edges[1:] + edges[:-1]) / 2
    inner = smooth[1:-1]
    is_peak = (inner >= smooth[:-2]) & (inner > smooth[2:]) & (inner > 0.1 * smooth.max())
    peaks = np.flatnonzero(is_peak) + 1
    if not len(peaks):
        return float(middles[np.argmax(smooth)])
    return float(middles[peaks[-1] if is_t1 else peaks[np.argmax(smooth[peaks])]])


def brain_landmarks(values: Values) -> Landmarks:
    """Percentiles of a brain's intensities, which span a range.

    Raises:
        DataError: they are all the same.
    """
    found = landmarks_of(values)
    if not found[-1] > found[0]:
        raise DataError(error("a brain of one intensity", "intensities that differ", "check it"))
    return found


def over_median(image: Image, values: Values, of: str) -> Image:
    """The image divided by a median.

    Args:
        image: a map in a unit in which 0 means none.
        values: intensities of which the median is taken.
        of: what they are of, for the message.

    Raises:
        DataError: the median is 0, negative or undefined.
    """
    median = float(np.median(values)) if len(values) else float("nan")
    if not median > 0:
        found = f"a median of {median:g} in {of}"
        raise DataError(error(found, "a positive one", "check the map, or leave normalise out"))
    return image / median
