import nibabel as nib
import numpy as np
import pytest
import torch
from torch import nn

from neurotarget.data.batches.prepare import Preparation
from neurotarget.inference.predict_folder import predict_all
from neurotarget.inference.segment import Predictor
from neurotarget.inference.windows.structure_stats import SoftVolumes, named_structures, write_stats
from neurotarget.types import Case, Target

GRID = ([2, 2, 2], [8, 8, 8])
BRAIN = Target("brain", ["t1"], ["Left-Hippocampus", "CSF"], *GRID)


class Graded(nn.Module):
    """Background below 0.5, CSF at 1, the hippocampus at 2 or with a low confidence at 3."""

    def forward(self, image):
        sure = torch.stack([image < 0.5, image > 1.5, (image > 0.5) & (image < 1.5)], dim=2)[:, 0]
        return 20.0 * sure + (image > 2.5) * torch.tensor([19.5, 0, 19.5])[:, None, None, None]


def table(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if not line.startswith("#")]
    measures = [line.split(", ") for line in lines if line.startswith("# Measure")]
    return {row[4]: row for row in rows}, {parts[1]: float(parts[3]) for parts in measures}


def test_soft_volumes_add_up_over_slabs():
    probabilities = torch.rand(3, 6, 4, 5).softmax(dim=0).numpy()
    soft = SoftVolumes(3)
    assert len([*soft.watched([probabilities[:, :2], probabilities[:, 2:]])]) == 2
    np.testing.assert_allclose(soft.sums, probabilities.sum(axis=(1, 2, 3)), rtol=1e-5)
    winners = probabilities.argmax(axis=0)
    wanted = [probabilities[k][winners == k].mean() for k in range(3)]
    np.testing.assert_allclose(soft.confidence, wanted, rtol=1e-5)
    assert soft.counts.sum() == 6 * 4 * 5


def test_structures_are_those_of_the_table_or_none():
    assert [one.id for one in named_structures(BRAIN).values()] == [17, 24]
    assert named_structures(Target("t", ["t1"], {"Left-Hippocampus": 1}, *GRID)) == {}
    assert named_structures(Target("t", ["t1"], {"CSF": 24, "lesion": 25}, *GRID)) == {}


def test_a_predicted_case_has_statistics_that_fit_its_label_map_and_a_table_of_colours(tmp_path):
    scan = np.zeros((8, 8, 8), np.float32)
    scan[1:3, 1:3, 1:3], scan[5:7, 5:7, 5:7], scan[5, 5, 5] = 1, 2, 3
    nib.save(nib.Nifti1Image(scan, np.diag([2.0, 2, 2, 1])), tmp_path / "scan.nii.gz")
    predictor = Predictor(Graded(), BRAIN, Preparation("none", None))
    case = Case("c", "c", {"t1": tmp_path / "scan.nii.gz"})
    (result,) = predict_all(predictor, [case], tmp_path / "out", made_by="me")
    assert result.status == "done"
    rows, measures = table(tmp_path / "out" / "c_aseg.stats")
    ids = np.asarray(nib.load(tmp_path / "out" / "c.nii.gz").dataobj)
    for name, number in (("Left-Hippocampus", 17), ("CSF", 24)):
        assert int(rows[name][2]) == (ids == number).sum()
        assert float(rows[name][3]) == 8 * (ids == number).sum()
        assert result.values[name] == pytest.approx(float(rows[name][3]))
    assert float(rows["CSF"][5]) == pytest.approx(64 + 8 * 0.27, abs=1)  # a share of one voxel more
    assert float(rows["CSF"][6]) > 0.95 > float(rows["Left-Hippocampus"][6]) > 0.9
    assert measures["SegmentationVol"] == measures["eTIV"] == 128  # CSF is half of it
    assert measures["BrainSegVol"] == 64
    colours = (tmp_path / "out" / "dseg.tsv").read_text(encoding="utf-8").splitlines()
    assert colours == ["index\tname\tcolor", "17\tLeft-Hippocampus\t#DCD814", "24\tCSF\t#3C3C3C"]
    (again,) = predict_all(predictor, [case], tmp_path / "out", made_by="me")
    assert again.made_from == result.made_from  # all files are there, so it is kept


def test_a_small_structure_is_doubtful_only_if_its_probability_is_low(tmp_path):
    soft = SoftVolumes(3)
    soft.add(np.array([0.1, 0.85, 0.05]).reshape(3, 1, 1, 1))
    soft.add(np.array([0.3, 0.3, 0.4]).reshape(3, 1, 1, 1))
    sizes = {"Left-Hippocampus": 8.0, "CSF": 8.0}
    write_stats(
        tmp_path / "a.stats", "a", BRAIN, volumes_mm3=sizes, native_mm3=8, soft=soft, work_mm3=8
    )
    text = (tmp_path / "a.stats").read_text(encoding="utf-8")
    assert "# DoubtfulConfidence below 0.65: CSF\n" in text
