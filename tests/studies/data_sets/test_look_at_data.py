"""Pages of a data set before training, made by the command and from Python."""

import json
import re

import nibabel as nib
import numpy as np
import pytest

import neurotarget as nt
from neurotarget.cli.main import run
from oracles.balls import TARGET, write_cohort


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_cohort(tmp_path, cases=5)
    (tmp_path / "ball.yaml").write_text(TARGET)
    return tmp_path


def data_of(page):
    html = page.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="page-data">(.*?)</script>', html, re.DOTALL)[1])


def test_every_scan_is_shown_with_the_sizes_of_its_mask(here, capsys):
    assert run(["look", "manifest.tsv", "target=ball.yaml", "augment=strong"]) == 0
    assert "scans    look/look.html" in capsys.readouterr().out
    page = data_of(here / "look" / "look.html")
    assert [row[0] for row in page["cases"]] == [f"sub-{n:02d}" for n in range(5)]
    name, status, _, picture, (core, shell) = page["cases"][0]
    mask = np.asanyarray(nib.load(here / f"{name}_seg.nii.gz").dataobj)
    assert (status, core, shell) == ("done", (mask == 1).sum(), (mask == 2).sum())
    assert (here / "look" / picture).read_bytes().startswith(b"\xff\xd8")  # JPEG
    assert page["columns"][0] == ["core", "mm³", 20, 2000]


def test_patches_are_those_of_a_training_and_differ_by_seed(here):
    looked = [nt.look("manifest.tsv", "ball.yaml", f"look{seed}", seed=seed) for seed in (1, 2)]
    pages = [data_of(one.patches) for one in looked]
    assert [len(page["cases"]) for page in pages] == [12, 12]
    pictures = [
        (one.page.parent / page["cases"][0][3]).read_bytes()
        for one, page in zip(looked, pages, strict=True)
    ]
    assert pictures[0] != pictures[1]
    again = nt.look("manifest.tsv", "ball.yaml", "again", seed=1)
    assert (again.page.parent / pages[0]["cases"][0][3]).read_bytes() == pictures[0]


def test_problems_come_first_and_errors_leave_out_the_patches(here, capsys):
    (here / "sub-03.nii.gz").write_bytes(b"no scan")
    assert run(["look", "manifest.tsv", "target=ball.yaml"]) == 2
    first = data_of(here / "look" / "look.html")["cases"][0]
    assert first[:2] == ["sub-03", "failed"]
    assert not (here / "look" / "augmentation.html").exists()
    assert "error: sub-03" in capsys.readouterr().err


def test_an_unknown_augmentation_is_one_sentence(here, capsys):
    with pytest.raises(SystemExit, match="2"):
        run(["look", "manifest.tsv", "target=ball.yaml", "augment=strongg"])
    assert "augment=strongg: no such augment; did you mean strong" in capsys.readouterr().err
