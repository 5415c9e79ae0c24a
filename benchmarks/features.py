"""Time and memory of the features of a tumour of 190,000 voxels, each in its own process.

    python benchmarks/features.py [bins=32] [voxels=190000] [<package>=<python>]…

The tumour is a bumpy ball in smooth noise of 1 mm, in whole numbers of 0 or more. `usual` are the
107 features by pyradiomics' convention, `all` those of IBSI by its 3D aggregation. pyradiomics,
mirp, pysera and nyxus are packages to compare with, each with the Python of an environment that has
it; a feature agrees if it differs from ours of the same name by less than a thousandth. Peak memory
is that of the process, with all that it imports.
"""

import json
import math
import multiprocessing
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy import ndarray
from scipy.ndimage import gaussian_filter

from neurotarget.image_features.extract import features_of
from neurotarget.image_features.feature_settings import FeatureSettings

GB = 1e9 / 1024  # KiB
TOLERANCE = 1e-3
OURS = {"usual": "pyradiomics", "all": "ibsi"}  # convention
SAME_AS = {"pyradiomics": "usual", "nyxus": "usual", "mirp": "all", "pysera": "all"}

Features = dict[str, float]
Measured = tuple[float, float, Features]  # CPU seconds, peak GB, features

# nyxus' names of pyradiomics' features, where they are not initials
GLCM = {
    "ACOR": "Autocorrelation", "CLUPROM": "ClusterProminence", "CLUSHADE": "ClusterShade",
    "CLUTEND": "ClusterTendency", "CONTRAST": "Contrast", "CORRELATION": "Correlation",
    "DIFAVE": "DifferenceAverage", "DIFENTRO": "DifferenceEntropy", "DIFVAR": "DifferenceVariance",
    "ID": "Id", "IDN": "Idn", "IDM": "Idm", "IDMN": "Idmn", "IV": "InverseVariance",
    "JAVE": "JointAverage", "JE": "JointEntropy", "ASM": "JointEnergy", "INFOMEAS1": "Imc1",
    "INFOMEAS2": "Imc2", "JMAX": "MaximumProbability", "JVAR": "SumSquares",
    "SUMAVERAGE": "SumAverage", "SUMENTROPY": "SumEntropy",
}  # fmt: skip
FIRST = {
    "P10": "10Percentile", "P90": "90Percentile", "MAX": "Maximum", "MIN": "Minimum",
    "VARIANCE_BIASED": "Variance",
    **{one.upper().replace(" ", "_"): one.replace(" ", "") for one in (
        "Energy", "Entropy", "Interquartile Range", "Kurtosis", "Mean", "Mean Absolute Deviation",
        "Median", "Range", "Robust Mean Absolute Deviation", "Root Mean Squared", "Skewness",
        "Uniformity")},
}  # fmt: skip
SHAPE = {
    "MESH_VOLUME": "MeshVolume", "VOXEL_VOLUME": "VoxelVolume", "AREA": "SurfaceArea",
    "AREA_2_VOLUME": "SurfaceVolumeRatio", "SPHERICITY": "Sphericity",
    "MAJOR_AXIS_LEN": "MajorAxisLength", "MINOR_AXIS_LEN": "MinorAxisLength",
    "LEAST_AXIS_LEN": "LeastAxisLength", "ELONGATION": "Elongation", "FLATNESS": "Flatness",
}  # fmt: skip

# parts of pysera's names, and ours
PYSERA = {
    "glcm_": "cm_", "glrlm_": "rlm_", "ngtdm_": "ngt_", "dcperc": "dc_perc",
    "rl_entropy": "rl_entr", "volume_mesh": "volume", "volume_count": "vol_approx",
    "surface_area": "area_mesh", "sv_ratio": "av", "compactness": "comp_",
    "spherical_disproportion": "sph_dispr", "com_shift": "com", "max_3d_diameter": "diam",
    "major_axis_length": "pca_maj_axis", "minor_axis_length": "pca_min_axis",
    "least_axis_length": "pca_least_axis", "morph_elongation": "morph_pca_elongation",
    "morph_flatness": "morph_pca_flatness", "solidity": "vol_dens_conv_hull",
    "volume_density": "vol_dens", "area_density_convex_hull": "area_dens_conv_hull",
    "area_density": "area_dens", "integrated_intensity": "integ_int",
}  # fmt: skip


def tumour(voxels: int) -> tuple[ndarray, ndarray]:
    """Image and mask of a bumpy ball with about as many voxels."""
    radius = (3 * voxels / (4 * np.pi)) ** (1 / 3)
    side = int(2.6 * radius)
    rng = np.random.default_rng(1)
    image = 100 + 400 * gaussian_filter(rng.normal(size=(side,) * 3), 1.5)
    x, y, z = (axis - side / 2 for axis in np.ogrid[:side, :side, :side])
    bumps = 1 + 0.08 * np.sin(x / 4) * np.cos(y / 5) * np.sin(z / 3)
    return np.rint(np.maximum(image, 0)), np.sqrt(x**2 + y**2 + z**2) < radius * bumps


def measured(convention: str, voxels: int, bins: int) -> Measured:
    """Measure one region in this process."""
    image, mask = tumour(voxels)
    settings = FeatureSettings(bins=bins, convention=convention)
    start = time.process_time()
    made = features_of(image, mask, (1, 1, 1), settings)
    seconds = time.process_time() - start
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / GB, made


def measured_by(package: str, python: str, folder: Path, bins: int) -> Measured:
    """Measure the region in a process of another Python."""
    script = Path(__file__).with_name("feature_peers.py")
    files = [str(folder / f"{name}.nii.gz") for name in ("image", "mask")]
    command = [python, str(script), package, *files, str(bins)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if done.returncode:
        raise SystemExit(f"{package}: {done.stderr.strip().splitlines()[-1]}")
    made = json.loads(done.stdout.strip().splitlines()[-1])
    return made["seconds"], made["gb"], made["features"]


def our_name(package: str, name: str) -> str:
    """Return what we call a feature of a package; a name that we do not have stays."""
    if package == "pyradiomics":
        return name
    if package == "nyxus":
        return _from_nyxus(name.removeprefix("3"))
    name = re.sub(r"_fbn_n\d+|_d1|_a0\.0|_3d|_v_mrg|_3D|_comb", "", name)
    for theirs, ours in PYSERA.items():
        name = name.replace(theirs, ours)
    return re.sub(r"^szm_([sl])d([lh])ge", r"szm_\1z\2ge", name)  # pysera's names of zones by size


def _from_nyxus(name: str) -> str:
    family, _, rest = name.partition("_")
    rest = rest.removesuffix("_AVE")
    if family == "GLCM" and name.endswith("_AVE"):
        return f"original_glcm_{GLCM.get(rest, rest)}"
    if family in ("GLRLM", "GLSZM", "GLDM") and (family != "GLRLM" or name.endswith("_AVE")):
        return f"original_{family.lower()}_{rest}"
    if family == "NGTDM":
        return f"original_ngtdm_{rest.capitalize()}"
    if name in SHAPE:
        return f"original_shape_{SHAPE[name]}"
    return f"original_firstorder_{FIRST[name]}" if name in FIRST else name


def comparable(package: str, name: str) -> str:
    """Return the name of one of our features as `our_name` gives it."""
    if package in ("mirp", "pysera"):
        return re.sub(r"_3D(_comb)?$", "", name)
    family, _, feature = name.removeprefix("original_").partition("_")
    if package == "nyxus" and family in ("glrlm", "glszm", "gldm"):
        short = feature.replace("NonUniformity", "N")
        return f"original_{family}_{''.join(re.findall('[A-Z]', short))}"
    return name


def agreement(package: str, theirs: Features, ours: Features) -> tuple[int, int]:
    """Return how many features have the same name in both, and how many of them agree."""
    known = {comparable(package, name): value for name, value in ours.items()}
    named = {our_name(package, name): value for name, value in theirs.items()}
    common = known.keys() & named.keys()
    agree = [math.isclose(known[name], named[name], rel_tol=TOLERANCE, abs_tol=1e-9)
             for name in common]  # fmt: skip
    return len(common), sum(agree)


def main() -> None:
    """Print a line for each set of features and each package."""
    given = dict(word.split("=", 1) for word in sys.argv[1:])
    voxels, bins = int(given.pop("voxels", 190_000)), int(given.pop("bins", 32))
    made = {}
    for name, convention in OURS.items():
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds, peak, made[name] = pool.apply(measured, (convention, voxels, bins))
        print(f"{name}: {len(made[name])} features, {seconds:.2f} s, {peak:.2f} GB", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        image, mask = tumour(voxels)
        print(f"{int(mask.sum())} voxels")
        for name, array in (("image", image.astype(np.float32)), ("mask", mask.astype(np.uint8))):
            nib.save(nib.Nifti1Image(array, np.eye(4)), Path(folder) / f"{name}.nii.gz")
        for package, python in given.items():
            seconds, peak, theirs = measured_by(package, python, Path(folder), bins)
            common, agree = agreement(package, theirs, made[SAME_AS[package]])
            print(f"{package}: {seconds:.2f} s, {peak:.2f} GB, {agree} of {common} features of the "
                  f"same name agree with {SAME_AS[package]}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
