"""A study without a column of head size takes it from the scans, where these hold it."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neurotarget.cli.main import run

TARGET = """
_target_: neurotarget.types.Target
name: deep_core
contrasts: [t1]
labels: {core: 1}
spacing_mm: [4.0, 4.0, 4.0]
patch_vox: [16, 16, 16]
hypotheses: {sex: "volume: M > F"}
"""


def ball(radius_mm):
    far = np.linalg.norm(np.moveaxis(np.indices((50, 50, 50)), 0, -1) - 25, axis=-1)
    return far * 4 < radius_mm


@pytest.fixture
def study(tmp_path, capsys):
    """`study(scale)`: twelve heads of 65 mm times scale about a core; its folder and output."""

    def make(scale):
        lines, affine = ["case_id\tt1\tlabel\tsex"], np.diag([-4.0, 4.0, 4.0, 1.0])
        for number in range(12):
            name, sex = f"c{number:02d}", "FM"[number % 2]
            grown = 1.0 + 0.04 * (sex == "M") + 0.01 * number
            for kind, radius in (("t1", 62 * scale * grown), ("mask", 20 * grown)):
                image = nib.Nifti1Image(ball(radius).astype(np.uint8), affine)
                nib.save(image, tmp_path / f"{name}_{kind}.nii.gz")
            lines.append(f"{name}\t{name}_t1.nii.gz\t{name}_mask.nii.gz\t{sex}")
        (tmp_path / "m.tsv").write_text("\n".join(lines) + "\n")
        (tmp_path / "core.yaml").write_text(TARGET)
        arguments = [f"masks={tmp_path}", f"manifest={tmp_path / 'm.tsv'}", "cases=0"]
        out = tmp_path / "out"
        assert run(["study", *arguments, f"target={tmp_path / 'core.yaml'}", f"output={out}"]) == 0
        return out, capsys.readouterr().out

    return make


def test_stripped_scans_give_brain_volume_with_its_origin_named(study):
    out, printed = study(1.0)
    cases = pd.read_csv(out / "study" / "cases.tsv", sep="\t").set_index("case_id")
    assert cases.loc["c00", "brain_mm3"] == pytest.approx(ball(62).sum() * 64)
    effects = pd.read_csv(out / "study" / "effects.tsv", sep="\t").set_index("model")
    assert {"declared", "tiv_ancova", "tiv_residual", "tiv_proportion"} <= {*effects.index}
    assert not effects["remark"].str.contains("head size is not corrected for").any()
    origin = "brain_mm3: voxels that are not 0 in skull-stripped scans, 12 of 12 cases"
    assert f"taken from the scans ({origin}); a brain shrinks" in printed
    assert f"Head size is {origin}." in (out / "study" / "methods.md").read_text()
    page = (out / "report.html").read_text()
    assert origin in page
    assert "<title>Deep core: study report</title>" in page
    assert "<h1>Deep core</h1>" in page


def test_whole_heads_say_what_to_supply_and_give_no_volume(study):
    out, printed = study(1.5)
    assert "brain_mm3" not in pd.read_csv(out / "study" / "cases.tsv", sep="\t")
    assert "Groups are compared without head size: the scans hold whole heads" in printed
    assert "supply head size as a column eTIV in mm3 of the manifest" in printed
    effects = pd.read_csv(out / "study" / "effects.tsv", sep="\t")
    assert set(effects["model"]) == {"declared"}
    assert "a column eTIV in mm3, brain masks or skull-stripped scans" in effects["remark"][0]
