"""`train.py experiment=radiomics`: scans and masks of a data set, and a table alone."""

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from scipy import ndimage

from neurotarget.cli.configs.check_config import check_train
from neurotarget.problems import DataError
from neurotarget.studies.radiomics.radiomics_experiment import analyse
from oracles.tumours import SHAPE, SIDE_MM, TARGET, write_tumours

CONF = Path(__file__).parents[2] / "conf"
QUICK = [
    *("folds=3", "repeats=1", "permutations=9", "features=3", "workers=1", "clinical=[age]"),
    *("contrasts=[t1]", "parts=[core,whole]", "outcome=marker", "positive=yes"),
    *("measure.bins=null", "+measure.families=[stat,morph]"),
]


def composed(*overrides):
    words = [word if word.startswith(("+", "data", "target", "radiomics")) else f"radiomics.{word}"
             for word in [*QUICK, *overrides]]  # fmt: skip
    words = [word.replace("+measure", "+radiomics.measure") for word in words]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", ["experiment=radiomics", "logger.wandb=disabled", *words])
    config = OmegaConf.to_container(cfg, resolve=False)
    config["data"] = {"root": config["data"]["root"], "source": config["data"]["source"]}
    config["paths"] = {"datasets": "datasets"}
    return config | {"name": "radiomics", "target": TARGET}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Scans of noise, in which the whole tumour is brighter where there is the marker."""
    folder, random = tmp_path_factory.mktemp("tumours"), np.random.default_rng(0)
    write_tumours(folder, n=32)
    people = pd.read_csv(folder / "manifest.csv")
    people["marker"] = np.where(np.arange(32) % 2, "yes", "no")
    people["control"] = random.permutation(people["marker"])
    for one in people.itertuples():
        path = folder / one.t1
        scan, mask = (nib.load(file).get_fdata() for file in (path, folder / one.label))
        noisy = scan * random.normal(1.0, 0.1, SHAPE) + (mask > 0) * random.normal(0, 4)
        noisy += (mask > 0) * (12 * (one.marker == "yes"))
        affine = np.diag([SIDE_MM] * 3 + [1.0])
        nib.save(nib.Nifti1Image(np.where(scan > 0, noisy, 0).astype(np.float32), affine), path)
    people.to_csv(folder / "manifest.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def made(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "radiomics"
    return folder, analyse(composed(f"data.root={data / 'manifest.csv'}"), folder, [])


def test_the_word_alone_is_a_valid_configuration():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", ["experiment=radiomics"])
    check_train(OmegaConf.to_container(cfg, resolve=True))


def test_a_run_folder_has_the_report_the_features_and_its_record(made):
    folder, values = made
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    assert {"report.html", "people.tsv", "features/features.tsv", "features/features.json",
            "radiomics/scores.tsv", "radiomics/alone.tsv", "run.json"} <= names  # fmt: skip
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["people"], summary["positive"]) == (32, 16)
    assert summary["values"]["auc"] == pytest.approx(values["auc/both"])
    assert set(values) == {"auc", "auc/clinical", "auc/image", "auc/both"}


def test_the_planted_signal_is_found_and_nothing_else_claimed(made):
    folder, values = made
    assert values["auc/image"] > 0.8 > values["auc/clinical"]
    alone = pd.read_csv(folder / "radiomics" / "alone.tsv", sep="\t")
    claimed = alone["feature"][alone["claim"].notna()].tolist()
    assert len(claimed) == 1
    assert re.fullmatch(r"t1_(core|whole)_stat_(mean|median|p\d0|rms|min|max)", claimed[0])
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert f"Claimed is {claimed[0]}" in page


def test_of_a_control_nothing_is_claimed(data, tmp_path):
    values = analyse(composed(f"data.root={data / 'manifest.csv'}", "outcome=control"),
                     tmp_path / "run", [])  # fmt: skip
    assert values["auc/image"] < 0.8
    alone = pd.read_csv(tmp_path / "run" / "radiomics" / "alone.tsv", sep="\t")
    assert not alone["claim"].notna().any()
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "none is associated with the outcome after Holm" in page


def test_shape_is_measured_once_and_parts_and_covariates_have_their_columns(made):
    people = pd.read_csv(made[0] / "people.tsv", sep="\t")
    assert {"case_id", "age", "marker", "t1_core_stat_mean", "t1_whole_morph_volume"} <= {*people}
    assert len(people) == 32


def test_a_table_with_features_needs_no_scans(made, tmp_path):
    folder, values = made
    words = [f"radiomics.table={folder / 'people.tsv'}", "image=[t1_*]", "id=case_id"]
    again = analyse(composed(*words), tmp_path / "run", [])
    assert again["auc/image"] == pytest.approx(values["auc/image"])
    assert not (tmp_path / "run" / "features").exists()


def test_a_table_adds_an_outcome_to_scans(data, tmp_path):
    people = pd.read_csv(data / "manifest.csv")
    table = people[["case_id"]].assign(grade=np.where(people["marker"] == "yes", 4, 3))
    table.to_csv(tmp_path / "grades.csv", index=False)
    words = [f"data.root={data / 'manifest.csv'}", f"radiomics.table={tmp_path / 'grades.csv'}"]
    values = analyse(composed(*words, "outcome=grade", "positive=4"), tmp_path / "run", [])
    assert values["auc/image"] > 0.8


def test_masks_of_a_second_rater_choose_the_features_that_both_measure_alike(data, tmp_path):
    for path in (data / "masks").glob("*.nii.gz"):
        mask = nib.load(path)
        grown = ndimage.grey_dilation(np.asarray(mask.dataobj), (3, 1, 1))
        nib.save(nib.Nifti1Image(grown, mask.affine), tmp_path / path.name)
    words = [f"data.root={data / 'manifest.csv'}", f"second={tmp_path}", "permutations=0"]
    analyse(composed(*words), tmp_path / "run", [])
    table = pd.read_csv(tmp_path / "run" / "radiomics" / "robust.tsv", sep="\t")
    assert 0 < table["kept"].sum() < len(table)
    assert (table["kept"] == (table["value"] >= 0.75)).all()
    metrics = pd.read_csv(tmp_path / "run" / "radiomics" / "metrics.tsv", sep="\t")
    answers = metrics.set_index("item")["answer"]
    assert set(answers[[11, 12, 13, 14, 23]]) == {"yes"}


def test_features_that_changes_of_the_masks_move_are_left_out(data, tmp_path):
    words = [f"data.root={data / 'manifest.csv'}", "perturb=[erode,contour]", "permutations=0"]
    analyse(composed(*words), tmp_path / "run", [])
    table = pd.read_csv(tmp_path / "run" / "radiomics" / "robust.tsv", sep="\t")
    assert 0 < table["kept"].sum() < len(table)
    assert 20 < table["n"].max() <= 32  # erosion leaves nothing of small regions
    assert (tmp_path / "run" / "contour_masks.tsv").is_file()
    methods = (tmp_path / "run" / "radiomics" / "methods.md").read_text(encoding="utf-8")
    assert "eatures of 3 masks of 32 cases were compared" in methods


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["perturb=[melt]"], "perturb: found melt, wanted some of erode, dilate, shift, contour"),
        (["contrasts=[t9]"], "radiomics.contrasts: t9, wanted contrasts of the data set; it has"),
        (["parts=[rind]"], "radiomics.parts: rind, wanted labels or regions of lesion; it has"),
        (["outcome=grade"], "no column grade"),
        (["positive=maybe"], "nobody with marker=maybe"),
        (["by_site=true"], "by_site: found no site"),
        (["model=cox"], "model: found cox, wanted time="),
        (["radiomics.table={data}/none.csv"], "none.csv"),
    ],
)
def test_a_wrong_setting_is_one_sentence(data, tmp_path, words, message):
    words = [word.format(data=data) for word in words]
    with pytest.raises(DataError, match=message):
        analyse(composed(f"data.root={data / 'manifest.csv'}", *words), tmp_path / "run", [])
