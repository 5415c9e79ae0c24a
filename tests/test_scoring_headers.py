"""What the headers of masks leave open, when scoring and measuring."""

import importlib.util
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from neurotarget.data.cases.manifest import read_manifest
from neurotarget.scoring import evaluate, measure
from neurotarget.types import Manifest, Target

spec = importlib.util.spec_from_file_location(
    "make_rows", Path(__file__).parent / "golden" / "make_rows.py"
)
golden = importlib.util.module_from_spec(spec)
spec.loader.exec_module(golden)


def test_masks_in_microns_have_volumes_in_mm3(cases_folder):
    target = Target("h", ["t1"], {"a": 1, "b": 2}, [1, 1, 1], [8, 8, 8])
    rows = [
        measure(read_manifest(cases_folder / "units" / unit / "manifest.csv", target), target)
        for unit in ("micron", "mm")
    ]
    sizes = [[row.value for row in one if row.metric == "reference_volume_mm3"] for one in rows]
    assert sizes[0] == pytest.approx(sizes[1])
    assert 100 < np.mean(sizes[0]) < 5_000


def test_warnings_of_files_are_logged_once_a_kind(tmp_path, caplog):
    known = ("shifted", "grown")
    cases = tuple(case for case in golden.write_cases(tmp_path).cases if case.case_id in known)
    for name in known:
        path = tmp_path / "predictions" / f"{name}.nii.gz"
        mask = nib.load(path)
        affine = mask.affine.copy()
        affine[2, 3] += 0.06  # mm, of voxels of 1.5 mm
        nib.save(nib.Nifti1Image(np.asarray(mask.dataobj), affine), path)
    manifest, splits = Manifest(cases, tmp_path), dict.fromkeys(known, "test")
    rows = evaluate(manifest, tmp_path / "predictions", golden.TARGET, splits)
    (dice,) = [
        row.value
        for row in rows
        if (row.case_id, row.label, row.metric) == ("shifted", "left", "dice")
    ]
    assert dice == pytest.approx(0.75)
    (record,) = caplog.records
    assert "found a grid 0.060 mm or 0.040 voxel off" in record.message
    assert "(and 1 more files alike)" in record.message
