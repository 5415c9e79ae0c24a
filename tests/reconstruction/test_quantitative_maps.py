import json

import nibabel as nib
import numpy as np
import pytest

import neurotarget as nt
from neurotarget.cli.main import run
from neurotarget.physics.first_pass import gamma_variate
from neurotarget.problems import DataError

SHAPE = (12, 10, 8)
TIMES_S = np.arange(60.0)
BRAIN, ARTERY = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
BRAIN[1:11, 1:9, 1:7] = True
ARTERY[1:3, 1:3, 1:4] = True


def save(path, array):
    nib.save(nib.Nifti1Image(array.astype("f4"), np.diag([-2.0, 2, 2, 2])), path)
    return path


def values(path):
    return np.asarray(nib.load(path).dataobj)


@pytest.fixture
def dwi(tmp_path):
    """A brain with a coefficient of 0.8 and 1.6 in its halves, in air."""
    adc = np.full(SHAPE, 0.8)
    adc[6:] = 1.6
    b = np.array([0, 500, 1000])
    signals = 500 * BRAIN[..., None] * np.exp(-b * adc[..., None] * 1e-3)
    (tmp_path / "dwi.bval").write_text("0 500 1000\n")
    return save(tmp_path / "dwi.nii.gz", signals)


@pytest.fixture
def bolus(tmp_path):
    """A brain with 4 and, in one half, 8 % of the curve of an artery in its corner."""
    first = gamma_variate(TIMES_S - 15, 60.0, 5.0, 3.0)
    later = gamma_variate(TIMES_S - 17, 60.0, 6.0, 3.0)
    later *= first.sum() / later.sum()
    share = np.full(SHAPE, 0.04)
    share[6:] = 0.08
    curves = share[..., None] * later
    curves[ARTERY] = first
    noise = np.random.default_rng(0).normal(0, 0.5, curves.shape)
    return save(tmp_path / "dsc.nii.gz", 1000 * BRAIN[..., None] * np.exp(-curves * 0.03) + noise)


def test_the_command_writes_adc_in_its_unit(dwi, tmp_path, capsys):
    out = tmp_path / "maps"
    assert run(["adc", str(dwi), f"output={out}"]) == 0
    made = values(out / "dwi_adc.nii.gz")
    assert made[2, 4, 3] == pytest.approx(0.8, abs=1e-4)
    assert made[8, 4, 3] == pytest.approx(1.6, abs=1e-4)
    assert made[0, 0, 0] == 0
    about = json.loads((out / "dwi_adc.json").read_text("utf-8"))
    assert about["Units"] == "10^-3 mm2/s"
    assert about["BValues_s_per_mm2"] == [0, 500, 1000]
    assert about["VoxelsWithValue"] == BRAIN.sum()
    assert f"adc  {out / 'dwi_adc.nii.gz'}" in capsys.readouterr().out


def test_b_values_are_asked_for_where_no_file_has_them(dwi, tmp_path):
    (tmp_path / "dwi.bval").unlink()
    with pytest.raises(DataError, match=r"found no b-values, wanted the file dwi\.bval"):
        nt.adc(dwi, tmp_path / "maps")
    made = nt.adc(dwi, tmp_path / "maps", b_values=(0, 500, 1000))
    assert values(made["adc"])[2, 4, 3] == pytest.approx(0.8, abs=1e-4)
    single = save(tmp_path / "single.nii.gz", np.ones(SHAPE))
    with pytest.raises(DataError, match="found 1 volumes, wanted a 4-D scan"):
        nt.adc(single, tmp_path / "maps", b_values=(0, 1000))


@pytest.mark.parametrize("level", [0.0, -5.0])
def test_a_scan_without_signal_is_refused(tmp_path, level):
    dark = save(tmp_path / "dark.nii.gz", np.full((*SHAPE, 20), level))
    with pytest.raises(DataError, match="found no voxel with a signal"):
        nt.adc(dark, tmp_path / "maps", b_values=range(0, 2000, 100))
    with pytest.raises(DataError, match="found no voxel with a signal"):
        nt.dsc(dark, tmp_path / "maps", te_ms=30, tr_s=1.0)


def test_perfusion_of_a_scan_is_that_of_its_curves(bolus, tmp_path, capsys):
    (tmp_path / "dsc.json").write_text('{"EchoTime": 0.03, "RepetitionTime": 1.0}')
    artery, out = save(tmp_path / "artery.nii.gz", ARTERY), tmp_path / "maps"
    given = [f"aif={artery}", "leakage=false", "tissue_factor=1"]
    assert run(["dsc", str(bolus), f"output={out}", *given]) == 0
    assert f"mtt  {out / 'dsc_mtt.nii.gz'}" in capsys.readouterr().out
    cbv, cbf, mtt = (values(out / f"dsc_{name}.nii.gz") for name in ("cbv", "cbf", "mtt"))
    assert cbv[4, 4, 3] == pytest.approx(4, rel=0.05)
    assert cbv[8, 4, 3] == pytest.approx(8, rel=0.05)
    assert mtt[4, 4, 3] == pytest.approx(60 * cbv[4, 4, 3] / cbf[4, 4, 3], rel=1e-3)
    about = json.loads((out / "dsc_cbv.json").read_text("utf-8"))
    assert (about["Units"], about["EchoTime"], about["FirstPass"]) == ("ml/100 ml", 0.03, False)
    assert len(about["ArterialVoxels"]) == 12
    assert not (out / "dsc_k2.nii.gz").exists()


def test_an_artery_is_found_and_first_passes_have_no_leakage(bolus, tmp_path):
    times = {"te_ms": 30, "tr_s": 1.0, "tissue_factor": 1}
    made = nt.dsc(bolus, tmp_path / "maps", first_pass=True, **times)
    about = json.loads((tmp_path / "maps" / "dsc_cbv.json").read_text("utf-8"))
    assert {tuple(place) for place in about["ArterialVoxels"]} == set(
        map(tuple, np.argwhere(ARTERY))
    )
    assert values(made["cbv"])[8, 2:8, 2:6].mean() == pytest.approx(8, rel=0.1)
    assert np.abs(values(made["k2"])[5:, 2:8, 2:6]).max() < 0.01


def test_times_that_are_absent_or_in_another_unit_are_refused(bolus, tmp_path):
    artery = save(tmp_path / "artery.nii.gz", ARTERY)
    with pytest.raises(DataError, match="found no te_ms, wanted te_ms, or EchoTime"):
        nt.dsc(bolus, tmp_path / "maps", aif=artery, tr_s=1.0)
    with pytest.raises(DataError, match=r"EchoTime of 30 s, wanted 0\.001 to 0\.2 s"):
        nt.dsc(bolus, tmp_path / "maps", aif=artery, te_ms=30_000, tr_s=1.0)
    other = save(tmp_path / "other.nii.gz", np.ones((4, 4, 4)))
    with pytest.raises(DataError, match="a mask on another grid"):
        nt.dsc(bolus, tmp_path / "maps", aif=other, te_ms=30, tr_s=1.0)
