import nibabel as nib
import numpy as np
import pytest
import torch
from torch import nn

from neurotarget.data.batches.prepare import Preparation
from neurotarget.data.scans.geometry import crop, native_matrices, native_spans, whole_grid
from neurotarget.inference.averaging import joined
from neurotarget.inference.segment import Predictor
from neurotarget.inference.windows.slab_labels import label_maps
from neurotarget.inference.windows.tiling import SlidingWindow
from neurotarget.types import Case, Target

LABELS = 11
TILTED = np.array([[0, -1.2, 0.1, 3], [0.9, 0, 0, -7], [0, 0.1, 2, 5], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("thick", [1, 3, 50])
@pytest.mark.parametrize("spacing", [(2, 2, 2), (0.9, 1.2, 0.7), (0.5, 2.7, 2)])
@pytest.mark.parametrize("is_cropped", [False, True])
def test_classes_from_slabs_are_the_largest_of_maps_interpolated_whole(spacing, thick, is_cropped):
    grid = whole_grid((17, 14, 11), TILTED, spacing)
    grid = crop(grid, (7, 6, 5), (8, 9, 12)) if is_cropped else grid
    values = np.random.default_rng(0).random((LABELS, *grid.shape), dtype=np.float32)
    values[0] += 0.2
    slabs = [values[:, start : start + thick] for start in range(0, grid.shape[0], thick)]
    found = label_maps(slabs, grid, LABELS)
    matrices = [matrix.astype(float) for matrix in native_matrices(grid)]
    inside = np.einsum("ai,bj,ck,lijk->labc", *matrices, values, optimize=True).argmax(axis=0)
    wanted = np.zeros(grid.canonical_shape, int)
    wanted[tuple(slice(low, stop) for low, stop in native_spans(grid))] = inside
    np.testing.assert_array_equal(found.native, grid.stored(wanted))
    np.testing.assert_array_equal(found.work, values.argmax(axis=0))


class Tinted(nn.Module):
    """Scores that depend on the intensity and, by the padding, on the place in a window."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.convolution = nn.Conv3d(1, LABELS, 3, padding=1)

    def forward(self, image):
        return 4 * self.convolution(image)


@pytest.mark.parametrize("is_ensemble", [False, True])
def test_a_label_map_is_the_same_whether_probabilities_are_kept_or_not(tmp_path, is_ensemble):
    names = {f"part{number}": number for number in range(1, LABELS)}
    target = Target("parts", ["t1"], names, [1.5, 1, 2], [8, 8, 8], pairs=[("part1", "part2")])
    scan = np.random.default_rng(1).normal(size=(20, 17, 19)).astype(np.float32)
    nib.save(nib.Nifti1Image(scan, np.diag([-1.0, 1, 1, 1])), tmp_path / "scan.nii.gz")
    windows = SlidingWindow((8, 8, 8), swap=target.swap)
    members = [
        Predictor(Tinted(0), target, Preparation(), inferer=windows),
        Predictor(Tinted(1), target, Preparation(), inferer=SlidingWindow((8, 6, 8), overlap=0.2)),
    ]
    predictor = joined(members) if is_ensemble else members[0]
    case = Case("c", "c", {"t1": tmp_path / "scan.nii.gz"})
    lean, whole = predictor.predict(case), predictor.predict(case, probabilities=True)
    assert lean.probabilities is None
    assert whole.probabilities.shape == (LABELS, *whole.grid.shape)
    np.testing.assert_array_equal(lean.classes, whole.classes)
    assert (lean.values, lean.flags) == (whole.values, whole.flags)
    assert len(np.unique(lean.classes)) == LABELS
