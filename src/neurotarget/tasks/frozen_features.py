"""Features of networks whose convolutions stay frozen, computed once for each case.

A training step then only moves the last layer. The features lie in the cache, beside the prepared
images, each under a hash of its image and of the frozen weights.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from neurotarget.data.batches.cache import ensure, entry_folder, open_entry
from neurotarget.files.hashes import hash_of_value
from neurotarget.inference.windows.whole_image import WholeImage
from neurotarget.models.backbone import VectorBackbone

VERSION = 1  # of the computation in this file; each increase computes all features again
OF_TRAINING = ("centre", "spread")  # buffers that a training sets

Features = Float[Tensor, " F"]


def features_of_cases(
    net: VectorBackbone, folders: Mapping[str, Path], cache: Path, *, window: WholeImage
) -> dict[str, Features]:
    """Features of prepared cases by case_id, on the CPU; those that are kept in the cache are read.

    Args:
        net: frozen network with `encode`, on the device that computes the features.
        folders: of the prepared cases, by case_id.
        cache: folder in which the features are kept.
        window: cuts the part of an image that the network sees.

    Raises:
        DataError: the features cannot be written.
    """
    frozen = hash_of_frozen(net)
    device = net.centre.device
    found = {}
    for case_id, folder in tqdm(folders.items(), "features", unit="case", delay=1):
        key = hash_of_value([VERSION, frozen, folder.name, window.window_vox])

        def make(draft: Path, folder: Path = folder) -> dict[str, str]:
            """Write the features of a case; returns what `entry.json` records of them."""
            entry = open_entry(folder)
            image = torch.from_numpy(np.asarray(entry.image, np.float32))[None].to(device)
            np.save(draft / "features.npy", encoded(net, window.window(image))[0].numpy())
            return {"case_id": entry.case_id}

        kept = ensure(entry_folder(cache, f"{case_id}_features", key), make)
        found[case_id] = torch.from_numpy(np.load(kept / "features.npy"))
    return found


@torch.no_grad()
def encoded(net: VectorBackbone, image: Float[Tensor, "B C I J K"]) -> Float[Tensor, "B F"]:
    """Features of images in float32, on the CPU, by the network as it is in prediction."""
    is_training = net.training
    features = net.eval().encode(image).float().cpu()
    net.train(is_training)
    return features


def hash_of_frozen(net: VectorBackbone) -> str:
    """Hash the names and values of all weights and statistics that no training changes."""
    trained = {name for name, one in net.named_parameters() if one.requires_grad}
    made = hashlib.sha256(type(net).__name__.encode())
    for name, tensor in sorted(net.state_dict().items()):
        if name not in trained and name not in OF_TRAINING:
            made.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            made.update(tensor.cpu().contiguous().numpy().tobytes())
    return made.hexdigest()
