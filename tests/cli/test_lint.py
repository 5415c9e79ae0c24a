import nibabel as nib
import numpy as np
import pytest
import yaml

from neurotarget.cli.commands.lint import print_lint
from neurotarget.cli.main import run as run_command
from neurotarget.data.scans.volume import inspect_volume
from neurotarget.problems import error, warning
from neurotarget.process.exit_codes import print_problems
from neurotarget.types import Target


@pytest.fixture
def source(tmp_path):
    rng = np.random.default_rng(0)
    lines = ["case_id,t1,label,age"]
    for index in range(10):
        array = rng.random((6, 6, 6), np.float32)
        for name, voxels in (("t1", array), ("mask", (array > 0.5).astype(np.uint8))):
            nib.save(nib.Nifti1Image(voxels, np.eye(4)), tmp_path / f"{name}{index}.nii.gz")
        lines.append(f"c{index},t1{index}.nii.gz,mask{index}.nii.gz,{20 + index}")
    (tmp_path / "cases.csv").write_text("\n".join(lines))
    return tmp_path / "cases.csv"


def target(patch=(4, 4, 4)):
    return Target("gland", ["t1"], {"gland": 1}, [1, 1, 1], patch)


def test_a_sound_data_set_ends_with_zero(source, capsys):
    assert print_lint(str(source), target()) == 0
    assert capsys.readouterr().out == (
        f"0 errors, 0 warnings in 10 cases of {source} for the target gland\n"
    )


def test_warnings_end_with_zero(source, capsys):
    assert print_lint(str(source), target((9, 9, 9))) == 0
    assert capsys.readouterr().out.startswith("warning: found 10 of 10 volumes smaller")


def test_errors_come_first_and_end_with_two(source, capsys):
    (source.parent / "mask3.nii.gz").unlink()
    source.write_text(source.read_text().replace(",25", ",old"))
    assert print_lint(str(source), target((9, 9, 9))) == 2
    *sentences, count = capsys.readouterr().out.splitlines()
    assert [sentence.split(":")[0] for sentence in sentences] == ["error", "error", "warning"]
    assert count.startswith("2 errors, 1 warning in 10 cases")


def test_a_file_both_passes_miss_is_named_once(source, capsys):
    (source.parent / "t13.nii.gz").unlink()
    assert print_lint(str(source)) == 2
    assert capsys.readouterr().out.count("no such file") == 1


def test_a_source_that_is_missing_ends_with_two(tmp_path, capsys):
    assert print_lint(str(tmp_path / "gone")) == 2
    assert "1 error, 0 warnings in 0 cases" in capsys.readouterr().out


def mirror(path):
    scan = nib.Nifti1Image(np.array(nib.load(path).dataobj), np.eye(4))
    scan.set_qform(np.diag([-1.0, 1, 1, 1]), 1)
    nib.save(scan, path)
    return path


def test_a_mirrored_scan_is_reported_by_lint_and_by_prepare(source, tmp_path, capsys):
    mirror(source.parent / "t14.nii.gz")
    text = r"warning: c4: {}: found LEFT AND RIGHT MIRRORED".format(source.parent / "t14.nii.gz")
    assert print_lint(str(source)) == 0
    assert text in capsys.readouterr().out
    (tmp_path / "gland.yaml").write_text(
        "_target_: neurotarget.types.Target\nname: gland\ncontrasts: [t1]\nlabels: {gland: 1}\n"
        "spacing_mm: [1, 1, 1]\npatch_vox: [4, 4, 4]\n"
    )
    arguments = [f"target={tmp_path / 'gland.yaml'}", f"cache={tmp_path / 'cache'}"]
    assert run_command(["prepare", str(source), *arguments]) == 0
    assert text in capsys.readouterr().err


def test_a_mirrored_scan_is_among_the_problems_that_are_printed(source, capsys):
    many = [warning(f"odd thing {number}", "none", "look") for number in range(60)]
    (mirrored,) = inspect_volume(mirror(source.parent / "t14.nii.gz"))[1]
    print_problems([*many, mirrored, error("a fault", "none", "mend it")])
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("error: found a fault")
    assert "found LEFT AND RIGHT MIRRORED" in lines[1]
    assert lines[-1].startswith("… and 12 more")


def test_an_ignore_label_read_as_background_is_refused_with_the_reason(cases_folder, capsys):
    settings = yaml.safe_load((cases_folder / "hip_ign.yaml").read_text())
    settings.pop("_target_")
    source = str(cases_folder / "ignore_label")
    assert print_lint(source, Target(**settings)) == 2
    (line,) = [one for one in capsys.readouterr().out.splitlines() if one.startswith("error")]
    assert "found id 3, whose voxels the data set ignores, read as background" in line
    assert "remove 3 from the target's background_ids" in line
    settings.pop("background_ids")
    assert print_lint(source, Target(**settings)) == 0
    text = capsys.readouterr().out
    assert "found anterior, posterior next to ignored voxels in 12 of 12 cases" in text
    assert "mm³ of" not in text  # a part is not too small
