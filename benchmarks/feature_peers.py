"""Measure one region with another package of radiomics; run by `benchmarks/features.py`.

    <python> benchmarks/feature_peers.py <package> <image.nii.gz> <mask.nii.gz> <bins>

The last line of the output is JSON: CPU seconds of the measurement, peak memory in GB of the
process with all that it imports, and the features by the package's names.
"""

import json
import math
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

GB = 1e9 / 1024  # KiB
Features = dict[str, float]


def pyradiomics(image: str, mask: str, bins: int) -> Callable[[], Features]:
    """Its 107 features of the original image; a fixed number of bins."""
    import SimpleITK as sitk
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    measure = RadiomicsFeatureExtractor(binCount=bins)
    measure.disableAllFeatures()
    for family in ("firstorder", "shape", "glcm", "glrlm", "glszm", "gldm", "ngtdm"):
        measure.enableFeatureClassByName(family)
    scan, region = (sitk.ReadImage(path) for path in (image, mask))
    return lambda: dict(measure.execute(scan, region))


def mirp(image: str, mask: str, bins: int) -> Callable[[], Features]:
    """All its features in 3D."""
    from mirp import extract_features

    return lambda: extract_features(
        image=image,
        mask=mask,
        base_discretisation_method="fixed_bin_number",
        base_discretisation_n_bins=bins,
        ivh_discretisation_method="none",
        by_slice=False,
    )[0].iloc[0].to_dict()  # fmt: skip


def pysera(image: str, mask: str, bins: int) -> Callable[[], Features]:
    """All categories, of the first order and in 3D.

    It takes arrays: version 2.1.5 turns the axes of masks from files of a cubic grid.
    """
    import nibabel as nib
    import numpy as np
    from pysera import process_batch

    scan, region = (np.asarray(nib.load(path).dataobj).astype(float) for path in (image, mask))
    folder = tempfile.mkdtemp()
    return lambda: process_batch(
        scan,
        region,
        output_path=folder,
        enable_parallelism=False,
        num_workers="1",
        apply_preprocessing=False,
        categories="all",
        dimensions="1st,3d",
        bin_size=bins,
        report="none",
        IBSI_based_parameters={"radiomics_DiscType": "FBN", "radiomics_isScale": 0},
    )["features_extracted"].iloc[0].to_dict()  # fmt: skip


def nyxus(image: str, mask: str, bins: int) -> Callable[[], Features]:
    """All its features in 3D."""
    from nyxus import Nyxus3D

    measure = Nyxus3D(["*3D_ALL*"], n_feature_calc_threads=1, coarse_gray_depth=bins)
    return lambda: measure.featurize_files([image], [mask], False).iloc[0].to_dict()


PEERS = {one.__name__: one for one in (pyradiomics, mirp, pysera, nyxus)}


def numbers(features: Features) -> Features:
    """The features that are finite numbers."""
    made = {}
    for name, value in features.items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        if math.isfinite(number):
            made[str(name)] = number
    return made


def main() -> None:
    """Measure and print."""
    name, image, mask, bins = sys.argv[1:]
    measure = PEERS[name](image, mask, int(bins))
    start = time.process_time()
    features = measure()
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / GB
    print("\n" + json.dumps({"seconds": seconds, "gb": peak, "features": numbers(features)}))


if __name__ == "__main__":
    main()
