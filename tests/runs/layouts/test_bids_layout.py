import json
import os
import re
import shutil
import subprocess
import sysconfig
from fnmatch import fnmatch
from itertools import chain

import bidsschematools.rules
import bidsschematools.schema
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from bids_validator import BIDSValidator

from neurotarget.data.cases.manifest import read_manifest
from neurotarget.problems import DataError
from neurotarget.runs.layouts.bids_layout import BidsLayout, label_values
from neurotarget.runs.network.predict_scans import predict_scans
from neurotarget.studies.score_predictions import score_predictions
from neurotarget.types import Target
from oracles.runs import TARGET, write_images, write_run

SCANS = {"01": ("a", "b"), "02": ("a",)}
NOT_BIDS = ["volumes.tsv", "people_volumes.*", "prediction.json", "lookup", "lookup/**"]
NOT_BIDS += ["qc.html", "qc", "qc/**", "**/*_seg.dcm"]
SHELL = {"labels": {"core": [7], "shell": [12, 13]}}

PROGRAMS = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
VALIDATOR = shutil.which("bids-validator-deno", path=PROGRAMS)


@pytest.fixture(scope="module")
def data_set(tmp_path_factory):
    """Two people, one with two sessions, with scans of the cohort of `write_images`."""
    folder = tmp_path_factory.mktemp("bids")
    images = write_images(tmp_path_factory.mktemp("images"), ["sub-00"])
    described = {"Name": "balls", "BIDSVersion": "1.10.0"}
    (folder / "dataset_description.json").write_text(json.dumps(described))
    (folder / "participants.tsv").write_text(
        "participant_id\tage\tsex\nsub-01\t31\tF\nsub-02\t44\tM\n"
    )
    for person, sessions in SCANS.items():
        for session in sessions:
            name = f"sub-{person}_ses-{session}"
            place = folder / f"sub-{person}" / f"ses-{session}" / "anat"
            place.mkdir(parents=True)
            shutil.copy(images / "sub-00.nii.gz", place / f"{name}_T1w.nii.gz")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(
        tmp_path_factory.mktemp("run") / "run",
        images=write_images(tmp_path_factory.mktemp("own"), ["sub-00"]),
        config={"target": TARGET | SHELL},
    )


@pytest.fixture(scope="module")
def derivatives(data_set, run, tmp_path_factory):
    output = tmp_path_factory.mktemp("out") / "derivatives"
    done = predict_scans(run, data_set, output, layout="bids", probabilities=True, device="cpu")
    assert [one.status for one in done.results] == ["done"] * 3, done.results
    return output


def files_in(folder):
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_names_are_those_of_the_standard(derivatives):
    names = files_in(derivatives)
    stem = "sub-01/ses-b/anat/sub-01_ses-b"
    for label in ("", "_label-core", "_label-shell"):
        kind = "probseg" if label else "dseg"
        assert f"{stem}{label}_desc-neurotarget_{kind}.nii.gz" in names
        assert f"{stem}{label}_desc-neurotarget_{kind}.json" in names
    assert {"dataset_description.json", "participants.tsv", "dseg.tsv", "README.md"} <= names


def test_every_file_passes_the_rules_of_the_validator(derivatives):
    ignored = (derivatives / ".bidsignore").read_text().split()
    assert ignored == [*NOT_BIDS, "**/*_aseg.stats"]
    groups = bidsschematools.schema.load_schema().rules.files.deriv
    rules = bidsschematools.rules.regexify_filename_rules(
        groups, bidsschematools.schema.load_schema(), level=2
    )
    patterns = [re.compile(rule["regex"]) for rule in rules]
    general = BIDSValidator(index_associated=False)
    judged = [
        name
        for name in files_in(derivatives)
        if not any(fnmatch(name, pattern) for pattern in ignored)
    ]
    assert len(judged) > 20
    wrong = [
        name
        for name in judged
        if not general.is_bids(f"/{name}") and not any(one.match(name) for one in patterns)
    ]
    assert wrong == []
    assert not any(one.match("sub-01/anat/sub-01_desc-a.b_dseg.nii.gz") for one in patterns)


@pytest.mark.skipif(VALIDATOR is None, reason="no bids-validator-deno")
def test_the_whole_folder_passes_the_validator(derivatives):
    done = subprocess.run(
        [VALIDATOR, "--json", derivatives], capture_output=True, text=True, check=False
    )
    assert done.stdout, done.stderr
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [one for one in issues if one["severity"] == "error"] == []


def test_numbers_of_the_reference_are_kept_and_named(derivatives):
    table = pd.read_csv(derivatives / "dseg.tsv", sep="\t")
    assert table["index"].tolist() == [7, 12]
    assert table["name"].tolist() == ["core", "shell"]
    assert table["color"].str.fullmatch("#[0-9A-F]{6}").all()
    maps = [nib.load(path) for path in derivatives.rglob("*_dseg.nii.gz")]
    values = set(chain.from_iterable(np.unique(one.dataobj).tolist() for one in maps))
    assert values <= {0, 7, 12}
    assert len(values) > 1


def test_volumes_are_joined_with_what_is_known_of_people(derivatives):
    table = pd.read_csv(derivatives / "people_volumes.tsv", sep="\t")
    assert table["participant_id"].tolist() == ["sub-01", "sub-01", "sub-02"]
    assert table["session_id"].tolist() == ["ses-a", "ses-b", "ses-a"]
    assert table["age"].tolist() == [31, 31, 44]
    assert table["sex"].tolist() == ["F", "F", "M"]
    own = pd.read_csv(derivatives / "volumes.tsv", sep="\t").sort_values("case_id")
    assert table["core_mm3"].tolist() == own["core_mm3"].tolist()
    for name, core in zip(table["file"], table["core_mm3"], strict=True):
        assert np.count_nonzero(np.asarray(nib.load(derivatives / name).dataobj) == 7) == core
    units = json.loads((derivatives / "people_volumes.json").read_text())
    assert units["shell_mm3"]["Units"] == "mm^3"
    people = pd.read_csv(derivatives / "participants.tsv", sep="\t")
    assert people["participant_id"].tolist() == ["sub-01", "sub-02"]
    assert people.columns.tolist() == ["participant_id", "age", "sex"]  # one has two label maps


def test_probabilities_and_label_maps_agree(derivatives):
    stem = derivatives / "sub-02" / "ses-a" / "anat" / "sub-02_ses-a"
    core, shell = (
        nib.load(f"{stem}_label-{name}_desc-neurotarget_probseg.nii.gz").get_fdata()
        for name in ("core", "shell")
    )
    labels = np.asarray(nib.load(f"{stem}_desc-neurotarget_dseg.nii.gz").dataobj)
    assert ((labels == 7) <= (core >= shell)).all()


def test_plain_scans_become_people_and_finished_cases_are_kept(run, data_set, tmp_path):
    (tmp_path / "in").mkdir()
    scan = next(data_set.rglob("*_T1w.nii.gz"))
    shutil.copy(scan, tmp_path / "in" / "head one.nii.gz")
    settings = {"layout": "bids", "device": "cpu"}
    first = predict_scans(run, tmp_path / "in", tmp_path / "out", **settings)
    path = tmp_path / "out/sub-headone/anat/sub-headone_desc-neurotarget_dseg.nii.gz"
    assert first.first == (tmp_path / "in" / "head one.nii.gz", path)
    written = path.stat().st_mtime_ns
    description = tmp_path / "out" / "dataset_description.json"
    completed = json.loads(description.read_text()) | {"Authors": ["A. Author", "B. Author"]}
    description.write_text(json.dumps(completed))
    again = predict_scans(run, tmp_path / "in", tmp_path / "out", **settings)
    assert again.results == first.results
    assert json.loads(description.read_text()) == completed
    assert path.stat().st_mtime_ns == written
    people = pd.read_csv(tmp_path / "out" / "participants.tsv", sep="\t")
    assert people["core_mm3"].tolist() == [first.results[0].values["core"]]


def test_the_folder_is_scored_as_a_plain_one(run, data_set, derivatives, tmp_path):
    predict_scans(run, data_set, tmp_path / "plain", device="cpu")
    lines = ["case_id,t1,label"]
    for path in sorted(data_set.rglob("*_T1w.nii.gz")):
        case_id = path.name.removesuffix("_T1w.nii.gz")
        lines.append(f"{case_id},{path},{tmp_path / 'plain' / case_id}.nii.gz")
    (tmp_path / "cases.csv").write_text("\n".join(lines) + "\n")
    target = Target("ball", ["t1"], SHELL["labels"], [1, 1, 1], [16, 16, 16])
    manifest = read_manifest(tmp_path / "cases.csv", target)
    splits = {case.case_id: "test" for case in manifest.cases}
    rows = score_predictions(manifest, derivatives, target, splits, which=["test"])
    dice = [row.value for row in rows if row.metric == "dice"]
    assert dice
    assert {*dice} <= {1.0}


def test_labels_that_would_share_a_value_get_their_number():
    assert label_values(["left_a", "left-A", "b"]) == ["lefta1", "leftA2", "b"]


def test_outcomes_and_pictures_are_refused():
    class Outcomes:
        target = Target("ill", ["t1"], {"a": 1}, [1, 1, 1], [8, 8, 8])

    with pytest.raises(DataError, match="found bids for the target ill, wanted labels of volumes"):
        BidsLayout(Outcomes())
