"""The configs of a MONAI bundle: plain values and names of MONAI's classes, no expressions.

Source: Cardoso et al. 2022, doi:10.48550/arXiv.2211.02701; MONAI's bundle specification 1.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from neurotarget.data.batches.prepare import Preparation
from neurotarget.data.sides.pairs import as_trained
from neurotarget.inference.segment import Predictor
from neurotarget.inference.windows.tiling import SIGMA
from neurotarget.problems import DataError
from neurotarget.types import Target

MODEL = "models/model.ts"
IMAGE, PRED = "image", "pred"
MODALITY = "MR"


def metadata(predictor: Predictor, shape: Sequence[int], *, name: str) -> dict[str, Any]:
    """Content of metadata.json: versions, and what goes into the network and comes out.

    Args:
        predictor: with contrasts and labels.
        shape: (C, I, J, K) of a window.
        name: of the bundle.
    """
    target = as_trained(predictor.target)
    classes = ["background", *target.label_names]
    patch = {"dtype": "float32", "is_patch_data": True, "spatial_shape": list(shape[1:])}
    scores = {"type": "image", "format": "segmentation", "num_channels": len(classes)}
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/"
        "0.8.1/meta_schema_20240725.json",
        "version": "0.1.0",
        "changelog": {"0.1.0": f"exported by neurotarget {version('neurotarget')}"},
        "monai_version": version("monai"),
        "pytorch_version": version("torch").partition("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {"nibabel": version("nibabel")},
        "name": name,
        "task": f"segmentation of {', '.join(target.label_names)}",
        "description": target.question or f"target {target.name}",
        "authors": "see docs/README.md",
        "copyright": "see docs/README.md",
        "intended_use": "research only, see docs/README.md",
        "network_data_format": {
            "inputs": {
                IMAGE: patch
                | {
                    "type": "image",
                    "format": "magnitude",
                    "modality": MODALITY,
                    "num_channels": shape[0],
                    "value_range": [],
                    "channel_def": _numbered(target.channels),
                }
            },
            "outputs": {
                PRED: patch | scores | {"value_range": [], "channel_def": _numbered(classes)}
            },
        },
    }


def inference(predictor: Predictor, shape: Sequence[int]) -> dict[str, Any]:
    """Content of inference.json: from scans to label maps on their own grid.

    Args:
        predictor: with preparation and windows.
        shape: (C, I, J, K) of a window.

    Raises:
        DataError: MONAI has no transform for a step of the preparation.
    """
    target = as_trained(predictor.target)
    refuse_unknown_steps(target, predictor.preparation)
    contrasts = list(target.contrasts)
    scan = {name: f"{name}.nii.gz" for name in contrasts}
    return {
        "device": "cpu",
        "model_file": MODEL,
        "output_dir": "predictions",
        "scans": [scan],
        "network_def": {
            "_target_": "torch.jit.load",
            "f": "@model_file",
            "map_location": "@device",
        },
        "preprocessing": {
            "_target_": "Compose",
            "transforms": _preprocessing(target, predictor.preparation),
        },
        "dataset": {"_target_": "Dataset", "data": "@scans", "transform": "@preprocessing"},
        "dataloader": {
            "_target_": "DataLoader",
            "dataset": "@dataset",
            "batch_size": 1,
            "num_workers": 0,
        },
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": list(shape[1:]),
            "sw_batch_size": 1,
            "overlap": predictor.inferer.overlap,
            "mode": "gaussian",
            "sigma_scale": SIGMA,
            "progress": False,
        },
        "postprocessing": {
            "_target_": "Compose",
            "transforms": _postprocessing(target, contrasts[0]),
        },
    }


def refuse_unknown_steps(target: Target, preparation: Preparation) -> None:
    """Refuse a preparation that MONAI's transforms cannot do without code of ours.

    Raises:
        DataError: names the step.
    """
    found = ""
    if preparation.intensity not in ("zscore", "percentile", "none"):
        found = f"data.preparation.intensity={preparation.intensity}"
    elif target.is_flat or target.size_vox is not None:
        found = "pictures, or a grid of a fixed number of voxels"
    elif target.derived:
        found = f"derived contrasts ({', '.join(target.derived)})"
    if found:
        raise DataError(
            f"output: found {found}, for which MONAI has no transform, wanted volumes on the "
            "scale zscore, percentile or none; export to .onnx or .safetensors"
        )


def _preprocessing(target: Target, preparation: Preparation) -> list[dict[str, Any]]:
    names = list(target.contrasts)
    return [
        {"_target_": "LoadImaged", "keys": names, "ensure_channel_first": True},
        {"_target_": "EnsureTyped", "keys": names, "dtype": "float32"},
        {"_target_": "Orientationd", "keys": names, "axcodes": "RAS", "allow_missing_keys": True},
        *_scale(names, preparation),
        {
            "_target_": "Spacingd",
            "keys": names,
            "pixdim": list(target.spacing_mm),
            "mode": "bilinear",
            "padding_mode": "border",
            "allow_missing_keys": True,
        },
        {"_target_": "ConcatItemsd", "keys": names, "name": IMAGE},
    ]


def _scale(names: Sequence[str], preparation: Preparation) -> list[dict[str, Any]]:
    """Transforms of intensities of whole scans."""
    keys: Mapping[str, Any] = {"keys": list(names)}
    steps: list[dict[str, Any]] = []
    if preparation.clip_percent is not None:
        low, high = preparation.clip_percent
        ends = {"lower": low, "upper": high}
        if preparation.intensity == "percentile":
            scale = {"b_min": 0.0, "b_max": 1.0, "clip": True}
            return [{"_target_": "ScaleIntensityRangePercentilesd", **keys, **ends, **scale}]
        steps.append({"_target_": "ClipIntensityPercentilesd", **keys, **ends})
    if preparation.intensity == "zscore":
        steps.append({"_target_": "NormalizeIntensityd", **keys})
    elif preparation.scale != 1:
        factor = {"minv": None, "maxv": None, "factor": preparation.scale - 1}
        steps.append({"_target_": "ScaleIntensityd", **keys, **factor})
    return steps


def _postprocessing(target: Target, first: str) -> list[dict[str, Any]]:
    """From scores to a label map with the ids of the target, on the grid of the first contrast."""
    ids = [target.file_ids[number] for number in range(1, len(target.label_names) + 1)]
    return [
        {"_target_": "Activationsd", "keys": PRED, "softmax": True},
        {
            "_target_": "Invertd",
            "keys": PRED,
            "transform": "@preprocessing",
            "orig_keys": first,
            "nearest_interp": False,
            "to_tensor": True,
        },
        {"_target_": "AsDiscreted", "keys": PRED, "argmax": True},
        {
            "_target_": "MapLabelValued",
            "keys": PRED,
            "orig_labels": [0, *range(1, len(ids) + 1)],
            "target_labels": [0, *ids],
        },
        {
            "_target_": "SaveImaged",
            "keys": PRED,
            "output_dir": "@output_dir",
            "output_postfix": "pred",
            "separate_folder": False,
            "output_dtype": "int32" if max(ids, default=0) > 255 else "uint8",
        },
    ]


def _numbered(names: Sequence[str]) -> dict[str, str]:
    return {str(number): name for number, name in enumerate(names)}
