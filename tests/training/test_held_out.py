"""What a run says of unseen sites; its network is as drawn, not trained."""

import json

import pandas as pd
import pytest

from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.batches.prepare import Preparation
from neurotarget.data.cases.sources import Files
from neurotarget.problems import DataError
from neurotarget.runs.network.objects import build_foreign
from neurotarget.stats.study.analysis import analyse
from neurotarget.studies.study_inputs import from_run, run_people
from neurotarget.training.held_out import score_held_out
from neurotarget.training.resumed import refuse_corrected
from oracles.runs import TARGET, write_images, write_run

CASES = tuple(f"sub-{number:02d}" for number in range(12))
PUBLISHED = [
    {"what": "dice", "label": "core", "part": part, "value": value, "source": "a paper"}
    for part, value in (("internal", 0.9), ("external", 0.86))
]


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    """`held_out(**settings)` scores a run on sites a, b and c, four cases each; by its name."""
    root, made = tmp_path_factory.mktemp("held_out"), {}
    images = write_images(root / "images", CASES)
    lines = ["case_id\tsubject_id\tt1\tlabel\tsite\tage"]
    lines += [
        f"{case}\t{case}\t{images / case}.nii.gz\t{images / case}_seg.nii.gz\t{site}\t{30 + place}"
        for place, (case, site) in enumerate(zip(CASES, "aaaabbbbcccc", strict=True))
    ]
    (root / "cases.tsv").write_text("\n".join(lines) + "\n")

    def score(name, **settings):
        if name in made:
            return made[name]
        folder = root / name
        config = {"target": {**TARGET, "published": PUBLISHED if "external" in settings else []}}
        write_run(folder, config=config, images=images, cases=CASES, test=[])
        target = build_foreign(config["target"])
        data = TargetData(
            target,
            Files(),
            root=root / "cases.tsv",
            cache=root / "cache",
            preparation=Preparation(),
            workers=0,
            n_folds=4,
            **settings,
        )
        data.prepare_data()
        score.data[name] = data
        facts = {"experiment": "ball", "model": "unet", "seed": 1, "fold": 0, "train_seconds": 1.0}
        made[name] = folder, score_held_out(folder, data, facts=facts, pictures=0)
        assert made[name][1].error is None
        return made[name]

    score.data = {}
    return score


@pytest.fixture
def unseen(held_out):
    return held_out("unseen", external={"site": ["c"]})


def test_a_corrected_mask_is_named_before_a_training_resumes(held_out, unseen):
    folder, data = unseen[0], held_out.data["unseen"]
    refuse_corrected(folder, data)
    mask = min((folder / "predictions").glob("*.nii.gz"))
    ours = mask.read_bytes()
    mask.write_bytes(b"corrected")
    with pytest.raises(DataError, match=rf"\({mask.name}\).*choose another hydra\.run\.dir"):
        refuse_corrected(folder, data)
    mask.write_bytes(ours)


def test_external_cases_are_predicted_and_scored_beside_the_test_cases(unseen):
    folder, found = unseen
    rows = found.rows.drop_duplicates("case_id").set_index("case_id")["split"]
    assert set(rows[rows == "external"].index) == set(CASES[8:])
    assert (rows == "test").sum() == 2
    listed = pd.read_csv(folder / "cases.tsv", sep="\t").set_index("case_id")["split"]
    assert listed.to_dict() == rows.to_dict()
    assert {path.name[:6] for path in (folder / "predictions").glob("*.nii.gz")} == set(rows.index)


def test_table_1_has_the_people_of_each_split(unseen):
    folder, _ = unseen
    people = pd.read_csv(folder / "people.tsv", sep="\t").set_index("case_id")
    assert set(people.index) == set(CASES)
    counts = people["split"].value_counts()
    table = pd.read_csv(folder / "study" / "people.tsv", sep="\t")
    table = table[table["characteristic"] == "people"].set_index("part")["n"]
    assert table["training"] == counts["train"]
    assert table["validation"] == counts["val"]
    assert table["held out"] == table["all"] == counts["test"] + counts["external"] == 6
    columns = ["age", "site", "split"]
    again = from_run(folder).people[columns]
    pd.testing.assert_frame_equal(again, people[columns])


def test_people_of_a_link_elsewhere_are_not_read(unseen, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").touch()
    (folder / "people.tsv").symlink_to(unseen[0] / "people.tsv")
    with pytest.raises(DataError, match=r"people\.tsv: found a link to .*wanted a file of the run"):
        run_people(folder, build_foreign(TARGET))
    (folder / "people.tsv").unlink()
    assert run_people(folder, build_foreign(TARGET)) is None


def test_both_parts_are_reported_with_what_is_published(unseen):
    folder, _ = unseen
    table = pd.read_csv(folder / "study" / "parts.tsv", sep="\t")
    dice = table[(table["label"] == "core") & (table["statistic"] == "dice")].set_index("part")
    assert dice["n"].to_dict() == {"internal": 2, "external": 4}
    assert dice["published"].to_dict() == {"internal": 0.9, "external": 0.86}
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["parts"]["external"]["dice"]["core"]["value"] == dice.loc["external", "value"]
    assert "Internal and external" in (folder / "report.html").read_text()
    assert (folder / "study" / "figures" / "parts.png").is_file()


def test_trackers_have_the_numbers_of_each_part(unseen):
    _, found = unseen
    ours = found.summary["parts"]["external"]["dice"]["core"]
    assert found.flat["external/dice/core"] == ours["value"]
    assert found.flat["external/dice/core/n"] == 4
    assert found.flat["test/dice/core"] == found.summary["dice"]["core"]
    assert not [key for key in found.flat if key.startswith("test/parts")]


def test_a_saved_run_is_studied_the_same_way(unseen):
    folder, _ = unseen
    again = analyse(from_run(folder).measured).tables["parts"]
    saved = pd.read_csv(folder / "study" / "parts.tsv", sep="\t", keep_default_na=False)
    assert again["label"].tolist() == saved["label"].tolist()
    known = [f"{value:.9g}" for value in again["value"].dropna()]
    assert [f"{float(text):.9g}" for text in saved["value"] if text != "n/a"] == known


def test_a_site_left_out_is_all_that_is_scored(held_out):
    folder, found = held_out("left_out", fold_by="site", fold=1)
    assert set(found.rows["case_id"]) == set(CASES[4:8])
    assert set(found.rows["split"]) == {"external"}
    assert set(found.summary["parts"]) == {"external"}
    assert "All held-out cases are external" in (folder / "report.html").read_text()


def test_without_unseen_sites_parts_are_not_mentioned(held_out):
    folder, found = held_out("known")
    assert set(found.rows["split"]) == {"test"}
    assert "parts" not in found.summary
    assert not (folder / "study" / "parts.tsv").exists()
    assert all(key.startswith("test/") for key in found.flat)
