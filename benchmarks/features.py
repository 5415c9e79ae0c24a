"""Time and memory of the features of a tumour of 190,000 voxels, each in its own process.

    python benchmarks/features.py [bins=32] [voxels=190000] [peer=mirp]

The tumour is a bumpy ball in smooth noise of 1 mm. `usual` are the 107 features by pyradiomics'
convention, `all` those of IBSI by its 3D aggregation. With `peer` the same region is measured with
mirp (EUPL), if it is installed. Peak memory is that of the process, with all that it imports.
"""

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module

import numpy as np
from numpy import ndarray
from scipy.ndimage import gaussian_filter

from neurotarget.image_features.extract import features_of
from neurotarget.image_features.feature_settings import FeatureSettings

GB = 1e9 / 1024  # KiB
Measured = tuple[float, float, int, int]  # CPU seconds, peak GB, number of features, of voxels


def tumour(voxels: int) -> tuple[ndarray, ndarray]:
    """Image and mask of a bumpy ball with about as many voxels."""
    radius = (3 * voxels / (4 * np.pi)) ** (1 / 3)
    side = int(2.6 * radius)
    rng = np.random.default_rng(1)
    image = 100 + 400 * gaussian_filter(rng.normal(size=(side,) * 3), 1.5)
    x, y, z = (axis - side / 2 for axis in np.ogrid[:side, :side, :side])
    bumps = 1 + 0.08 * np.sin(x / 4) * np.cos(y / 5) * np.sin(z / 3)
    return image, np.sqrt(x**2 + y**2 + z**2) < radius * bumps


def usual(image: ndarray, mask: ndarray, bins: int) -> int:
    """Measure the 107 features of pyradiomics' convention; their number."""
    settings = FeatureSettings(bins=bins, convention="pyradiomics")
    return len(features_of(image, mask, (1, 1, 1), settings))


def every(image: ndarray, mask: ndarray, bins: int) -> int:
    """Measure all features of IBSI; their number."""
    return len(features_of(image, mask, (1, 1, 1), FeatureSettings(bins=bins)))


def mirp(image: ndarray, mask: ndarray, bins: int) -> int:
    """Measure mirp's features; their number."""
    made = import_module("mirp").extract_features(
        image=image.astype(np.float32),
        mask=mask.astype(np.float32),
        base_discretisation_method="fixed_bin_number",
        base_discretisation_n_bins=bins,
        ivh_discretisation_method="none",
    )
    return made[0].shape[1]


def measured(measure: Callable[[ndarray, ndarray, int], int], voxels: int, bins: int) -> Measured:
    """Measure one region in this process."""
    image, mask = tumour(voxels)
    start = time.process_time()
    count = measure(image, mask, bins)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / GB
    return seconds, peak, count, int(mask.sum())


def main() -> None:
    """Print a line for each set of features."""
    given = dict(word.split("=") for word in sys.argv[1:])
    sets = {"usual": usual, "all": every} | ({"mirp": mirp} if given.get("peer") == "mirp" else {})
    for name, measure in sets.items():
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            work = (measure, int(given.get("voxels", 190_000)), int(given.get("bins", 32)))
            seconds, peak, count, voxels = pool.apply(measured, work)
        print(f"{name}: {count} features of {voxels} voxels, {seconds:.2f} s, {peak:.2f} GB")


if __name__ == "__main__":
    main()
