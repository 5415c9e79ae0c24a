"""Radiomics studies from a table to the page."""

import re

import numpy as np
import pandas as pd
import pytest

import neurotarget as nt
from neurotarget.cli.commands import radiomics as command
from neurotarget.problems import DataError

SMALL = ["folds=3", "repeats=1", "permutations=3", "features=3"]


def people(n=70, seed=0, *, strength=0.0):
    """People whose class follows age and, by `strength`, the first texture."""
    random = np.random.default_rng(seed)
    age, textures = random.normal(60, 10, n).round(1), random.normal(size=(n, 12)).round(4)
    place = (age - 60) / 6 + strength * textures[:, 0] + random.logistic(size=n)
    table = pd.DataFrame({"id": [f"p{seed}_{one}" for one in range(n)], "age": age})
    table["idh"] = np.where(place > 0, "wildtype", "mutant")
    table["centre"] = np.where(random.random(n) < 0.5, "north", "south")
    for number, values in enumerate(textures.T):
        table[f"original_glcm_f{number}"] = values
    return table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("radiomics")
    first = people().astype(object)
    first.loc[0, "age"], first.loc[1, "idh"], first.loc[2, "original_glcm_f3"] = "", "", ""
    first["original_glcm_flat"] = 1
    first.to_csv(place / "people.csv", index=False)
    other = people(40, 1).rename(columns={"age": "years"})
    other.loc[len(other)] = ["p0_5", 50, "mutant", "north", *np.zeros(12)]
    other.to_csv(place / "others.csv", index=False)
    people(strength=3.0, seed=2).to_csv(place / "planted.csv", index=False)
    return place


@pytest.fixture(scope="module")
def made(folder):
    arguments = [f"table={folder / 'people.csv'}", "outcome=idh=wildtype", "clinical=age"]
    arguments += [f"external={folder}/others.csv", "names=age:years", *SMALL]
    assert command.run([*arguments, f"output={folder / 'out'}"]) == 0
    return folder / "out"


def read(made, name):
    return pd.read_csv(made / "radiomics" / f"{name}.tsv", sep="\t")


def test_the_page_says_that_images_without_information_add_nothing(made):
    page = re.sub(r"\s+", " ", (made / "report.html").read_text(encoding="utf-8"))
    assert re.search("Images add nothing|Images are not shown to add anything", page)
    assert "95 % interval of the difference [" in page
    assert "would have been claimed as" in page
    assert "With outcomes permuted over people" in page
    for name in ("radiomic_scores", "probability_calibration", "net_benefit", "chosen_features"):
        assert (made / "radiomics" / "figures" / f"{name}.svg").is_file()


def test_who_was_left_out_is_written_with_the_reason(made):
    rows = {(row["table"], row["reason"]): row["n"] for row in read(made, "left_out").to_dict(
        "records")}  # fmt: skip
    assert rows == {
        ("people.csv", "no idh"): 1,
        ("people.csv", "no age"): 1,
        ("others.csv", "also in the cohort that the models were fitted to"): 1,
    }


def test_people_of_both_cohorts_are_found_by_their_features_too(folder, tmp_path):
    here = people()
    there = pd.concat([people(40, 1), here[10:13].assign(id=["x1", "x2", "x3"]), here[20:22]])
    settings = {"clinical": ["age"], "folds": 2, "repeats": 1, "permutations": 0}
    done = nt.radiomics(here, "idh", external=there, output=tmp_path, **settings)
    assert done.tables["transport"]["n"].tolist() == [40] * 3
    counts = read(tmp_path, "left_out").set_index("reason")["n"].to_dict()
    assert counts == {
        "all features equal to those of someone whom the models were fitted to": 3,
        "also in the cohort that the models were fitted to": 2,
    }
    same = here.assign(id=[f"x{one}" for one in range(len(here))])
    with pytest.raises(DataError, match=r"0 people.* left out were all features equal .*: 70"):
        nt.radiomics(here, "idh", external=same, **settings)


def test_the_page_names_the_positive_class(made):
    page = (made / "report.html").read_text(encoding="utf-8")
    assert "with idh = wildtype; 12 image features." in page


def test_the_other_cohort_has_the_same_positive_class_also_where_it_is_not_the_rarer(tmp_path):
    table = people(60, 5).replace({"idh": {"wildtype": "a", "mutant": "b"}})
    table = pd.concat([table[table["idh"] == "a"][:12], table[table["idh"] == "b"]])
    other = table.replace({"idh": {"a": "b", "b": "a"}}).assign(id=[f"q{i}" for i in table.index])
    other["original_glcm_f0"] += 1  # other people
    settings = {"clinical": ["age"], "image": [], "folds": 2, "repeats": 1, "permutations": 0}
    found = nt.radiomics(table, "idh", external=other, **settings)
    here = found.tables["scores"].set_index(["terms", "statistic"])["value"]["clinical"]
    there = found.tables["transport"].set_index("terms")["value"]["clinical"]
    assert there == pytest.approx(1 - here["auc_apparent"], abs=1e-9)
    other["idh"] = other["idh"].replace({"a": "first"})
    with pytest.raises(DataError, match=r"names=<outcome>:<column>=<value>"):
        nt.radiomics(table, "idh", external=other.replace({"idh": {"b": "second"}}), **settings)


def test_every_person_left_out_has_a_probability(made):
    table = read(made, "predictions")
    assert len(table) == 68
    assert table[["clinical", "image", "both"]].stack().between(0, 1).all()
    assert read(made, "transport")["n"].tolist() == [40, 40, 40]


def test_a_planted_signal_is_found_and_nothing_else_claimed(folder):
    found = nt.radiomics(folder / "planted.csv", "idh", clinical=["age"], folds=3, repeats=1,
                         permutations=9, features=3)  # fmt: skip
    gains = found.tables["differences"].set_index("terms")
    assert gains.loc["both", "difference"].max() > 0.05
    assert found.headlines[1].startswith("Images add to the clinical terms")
    assert found.tables["permutation"]["p"].item() == pytest.approx(1 / 10)
    assert found.tables["features"]["feature"].iloc[0] == "original_glcm_f0"
    assert len(found.predictions) == 70


OTHER_TOOLS = {
    "pyradiomics": ["original_firstorder_Mean", "wavelet-LLH_glcm_Contrast", "original_shape_Mesh"],
    "mirp": ["stat_mean", "cm_joint_max_d1_3d_v_mrg_fbn_n32", "ih_entropy_fbn_n32"],
    "CaPTk": ["FLAIR_ED_GLCM_Bins-16_Radius-1_Contrast", "T1_NET_GLRLM_Bins-16_Radius-1_Run"],
}


def renamed(names, seed=2):
    """People whose first textures have these names, between columns that other tools write."""
    own = [f"original_glcm_f{place}" for place in range(len(names))]
    table = people(seed=seed, strength=3.0)[["id", "age", "idh", *own]]
    table = table.rename(columns=dict(zip(own, names, strict=True)))
    table.insert(1, "diagnostics_Versions_Numpy", "1.26.4")
    table.insert(2, "image_voxel_size_x", 1.0)
    return table


@pytest.mark.parametrize("tool", OTHER_TOOLS)
def test_features_of_other_tools_are_known_by_their_names(tool):
    done = nt.radiomics(renamed(OTHER_TOOLS[tool]), "idh", folds=2, repeats=1, permutations=0)
    assert set(done.tables["alone"]["feature"]) == set(OTHER_TOOLS[tool])


def test_features_of_other_names_need_a_pattern_which_one_sentence_says():
    table = renamed(["MEAN_INTENSITY", "3COV", "ENERGY"])  # as nyxus names some of its features
    with pytest.raises(DataError, match=r"no column named after a family of features, wanted glcm"
                       r"_… or stat_…; set image=<pattern>.* has .*MEAN_INTENSITY"):  # fmt: skip
        nt.radiomics(table, "idh")
    done = nt.radiomics(table, "idh", image=["mean_*", "3cov"], folds=2, repeats=1, permutations=0)
    assert len(done.tables["alone"]) == 2


def test_another_cohort_with_features_of_another_tool_is_mapped_or_all_absent_ones_are_listed():
    here, there = renamed(OTHER_TOOLS["pyradiomics"]), renamed(OTHER_TOOLS["mirp"], seed=3)
    settings = {"external": there, "folds": 2, "repeats": 1, "permutations": 0}
    with pytest.raises(DataError, match=r"no columns original_firstorder_Mean, wavelet-LLH_glcm_"
                       r"Contrast, original_shape_Mesh.*names=.* has .*stat_mean"):  # fmt: skip
        nt.radiomics(here, "idh", **settings)
    names = dict(zip(OTHER_TOOLS["pyradiomics"], OTHER_TOOLS["mirp"], strict=True))
    done = nt.radiomics(here, "idh", names=names, **settings)
    assert done.tables["transport"]["n"].tolist() == [70]


def test_what_cannot_be_used_is_noted(folder):
    table = pd.read_csv(folder / "people.csv")
    table.loc[5, table.columns[4:]] = table.loc[6, table.columns[4:]]
    done = nt.radiomics(table, "idh=wildtype", image=["original_*"], folds=3, repeats=1,
                        permutations=0, site="centre")  # fmt: skip
    text = " ".join(done.notes)
    assert "one value in everybody: original_glcm_flat" in text
    assert "1 values of features are missing" in text
    assert "p0_5 = p0_6 are equal: the same people under two ids?" in text
    assert "permutation" not in done.tables


def test_more_features_than_people_are_noted():
    table = people(24, 4)
    extra = np.random.default_rng(0).normal(size=(24, 30))
    table[[f"t1_glcm_{one}" for one in range(30)]] = extra
    done = nt.radiomics(table, "idh", folds=2, repeats=1, permutations=0)
    assert any("There are 42 image features for 24 people" in note for note in done.notes)


def test_features_that_a_second_mask_changes_are_left_out(folder, made):
    second = people()
    random = np.random.default_rng(9)
    names = [f"original_glcm_f{place}" for place in range(12)]
    second[names] += 0.05 * random.normal(size=(70, 12))
    second["original_glcm_f7"] = random.normal(size=70)
    done = nt.radiomics(folder / "people.csv", "idh=wildtype", clinical=["age"], folds=3, repeats=1,
                        permutations=0, features=3, second=second[["id", *names]][:50])  # fmt: skip
    table = done.tables["robust"].set_index("feature")
    assert table.index[~table["kept"]].tolist() == ["original_glcm_f7"]
    assert table["n"].max() == 48  # two of these people were left out before
    assert any("1 of 12 features were left out" in note for note in done.notes)
    metrics = done.tables["metrics"].set_index("item")
    assert metrics.loc[14, "answer"] == "yes"
    assert "11 of 12 features had an ICC(A,1) of 0.75 or more" in metrics.loc[14, "text"]
    with pytest.raises(DataError, match="1 people of both tables, wanted at least 10"):
        nt.radiomics(folder / "people.csv", "idh=wildtype", second=second[4:5])
    twice = pd.concat([second, second[5:6]])
    with pytest.raises(DataError, match="several rows of p0_5, wanted one row per person"):
        nt.radiomics(folder / "people.csv", "idh=wildtype", second=twice)
    with pytest.raises(DataError, match="no feature with an ICC of 1, wanted at least one"):
        nt.radiomics(folder / "people.csv", "idh=wildtype", second=second, stable=1.0)


def test_the_page_has_a_paragraph_for_a_paper_and_both_checklists(made):
    page = (made / "report.html").read_text(encoding="utf-8")
    methods = (made / "radiomics" / "methods.md").read_text(encoding="utf-8")
    assert "nested cross-validation" in methods
    assert "METRICS: what is filled in gives" in page
    assert len(read(made, "metrics")) == 30
    clear = read(made, "clear")
    assert (len(clear), set(clear["filled_by"])) == (58, {"study", "authors"})


def test_a_number_is_predicted_with_its_errors(tmp_path):
    table = people(60, 4)
    random = np.random.default_rng(1)
    table["score"] = (30 + 5 * table["original_glcm_f2"] + random.normal(size=60)).round(3)
    table = table.astype({"score": object})
    table.loc[3, "score"] = ""
    few = {"folds": 3, "repeats": 1, "permutations": 0, "features": 2, "output": tmp_path}
    done = nt.radiomics(table, "score", number=True, clinical=["age"], image=["original_*"], **few)
    assert any(line.startswith("R² of people left out is") for line in done.headlines)
    assert done.tables["errors"].set_index(["terms", "statistic"])["value"]["both", "r2"] > 0.8
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "59 people; score: " in page
    with pytest.raises(DataError, match="12 with a number, wanted at least 20 people and 6 with a"):
        nt.radiomics(table[:13], "score", number=True, clinical=["age"], image=["original_*"])
    assert (tmp_path / "radiomics" / "figures" / "predicted_numbers.svg").is_file()
    methods = (tmp_path / "radiomics" / "methods.md").read_text(encoding="utf-8")
    assert "linear regression with a ridge penalty" in methods


def test_times_are_predicted_by_hazards(folder):
    table = people(80, 3)
    random = np.random.default_rng(0)
    table["days"] = np.ceil(300 * random.exponential(size=80) * np.exp(-(table["age"] - 60) / 8))
    table["died"] = (random.random(80) < 0.7).astype(int)
    done = nt.radiomics(table, "died", "days", clinical=["age"], image=["original_*"], folds=3,
                        repeats=1, permutations=0, features=2)  # fmt: skip
    scores = done.tables["scores"].set_index(["terms", "statistic"])["value"]
    assert scores["clinical", "c"] > 0.6
    assert "C of people left out is" in done.headlines[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"outcome": "idhh"}, "no column idhh, wanted it among the columns; did you mean idh"),
        ({"outcome": "age"}, "different values in age .* wanted two classes; name the positive"),
        ({"outcome": "idh=other"}, "nobody with idh=other, wanted values of the column"),
        ({"image": ["t9_*"]}, "no column of numbers that fits t9_"),
        ({"where": "idh=mutant"}, "found 1 different values in idh .* wanted two classes"),
        ({"where": "id=p0_3|p0_4|p0_5|p0_6|p0_7|p0_8|p0_9"}, "at least 20 people and 6 of the"),
        ({"site": "id"}, "small sites .* wanted two sites or more with 5 people each"),
        ({"model": "cox"}, "model: found cox, wanted time="),
        ({"by_site": True}, "by_site: found no site"),
        ({"number": True}, "mutant.* in idh, wanted numbers"),
        ({"number": True, "model": "svm"}, "model: found svm, wanted ridge"),
        ({"number": True, "time": "age"}, "number: found true with time="),
        ({"model": "ridge"}, "model: found ridge, wanted number=true"),
    ],
)
def test_bad_arguments_are_one_sentence(folder, arguments, message):
    given = {"outcome": "idh", "clinical": ["age"]} | arguments
    with pytest.raises(DataError, match=message):
        nt.radiomics(folder / "people.csv", **given)
