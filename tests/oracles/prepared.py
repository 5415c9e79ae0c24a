"""Prepared cases on disk without a preparation, for tests of what reads them."""

from pathlib import Path

import numpy as np
from scipy import ndimage

from neurotarget.data.batches.cache import ensure
from neurotarget.data.scans.geometry import whole_grid


def write_case(folder: Path, name: str, image: np.ndarray, label: np.ndarray | None) -> Path:
    """Write an image (C, I, J, K) and its classes (I, J, K) as a prepared case."""

    def make(draft: Path) -> dict:
        np.save(draft / "image.npy", image)
        marked = np.zeros((0, 4), np.int16)
        if label is not None:
            np.save(draft / "label.npy", label)
            classes = [np.argwhere(label == number) for number in range(1, int(label.max()) + 1)]
            marked = np.concatenate(
                [np.column_stack([np.full(len(one), n + 1), one]) for n, one in enumerate(classes)]
            ).astype(np.int16)
        np.save(draft / "foreground.npy", marked)
        grid = whole_grid(image.shape[1:], np.eye(4), (1, 1, 1))
        least = image.min(axis=(1, 2, 3)).astype(float).tolist()
        return {"case_id": name, "grid": grid.as_dict(), "minimum": least}

    return ensure(folder / name, make)


def write_cloud(folder: Path, number: int, sides=(28, 30, 26), contrasts: int = 1) -> Path:
    """Write a case of smooth noise with SD 1 in float16, whose bright and dark places are labels.

    The second label is in front, the first behind the middle of J.
    """
    rng = np.random.default_rng([7, number])
    cloud = ndimage.gaussian_filter(rng.normal(size=(contrasts, *sides)), (0, 2, 2, 2))
    cloud = (cloud / cloud.std()).astype(np.float16)
    label = (cloud[0] > 1).astype(np.uint8)
    label[:, sides[1] // 2 :] *= 2
    return write_case(folder, f"cloud{number}", cloud, label)
