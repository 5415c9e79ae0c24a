"""`neurotarget study` as its user runs it: masks alone, two raters, rows, tables, slips."""

import math
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neurotarget.cli.configs.targets import load_target
from neurotarget.cli.main import run
from neurotarget.files.record import RECORD
from neurotarget.files.writing import table_text
from neurotarget.problems import Problem
from neurotarget.stats.study.results import Study
from neurotarget.studies.make_study import Questions, Source, questioned
from neurotarget.studies.study_folder import study_of
from neurotarget.studies.study_inputs import from_masks, from_run, sentence
from oracles.asked_study import asked

TARGET = """
_target_: neurotarget.types.Target
name: cubes
question: Is the cube larger in women?
contrasts: [t1]
labels: {left: 1, right: 2}
pairs: [[left, right]]
spacing_mm: [1.0, 1.0, 1.0]
patch_vox: [16, 16, 16]
volume_range_mm3: {left: [10, 900], right: [10, 900]}
hypotheses:
  sex: {claim: "volume: F > M", expected: 150, source: "by hand"}
  age: "volume[left] ~ age + sex: negative"
"""


def study(*arguments):
    return run(["study", *map(str, arguments)])


def table(folder, name):
    return pd.read_csv(folder / "study" / f"{name}.tsv", sep="\t")


def study_of_masks(masks, second=None, *, manifest, target) -> Study:
    """What `neurotarget study masks=… second=…` finds, without figures and page."""

    def read(known):
        return from_masks(masks, second, manifest=manifest, target=known)

    known = load_target(str(target))
    return study_of(questioned(Source("masks", read), target=known, questions=Questions()))


def write_mask(path, sides):
    array = np.zeros((24, 24, 24), np.uint8)
    array[14 : 14 + sides[1], 6 : 6 + sides[1], 6 : 6 + sides[1]] = 2
    array[3 : 3 + sides[0], 6 : 6 + sides[0], 6 : 6 + sides[0]] = 1
    nib.save(nib.Nifti1Image(array, np.eye(4)), path)


@pytest.fixture(scope="module")
def cubes(tmp_path_factory):
    """Twelve scans' masks by two raters; women's cubes are larger."""
    folder = tmp_path_factory.mktemp("cubes")
    rng = np.random.default_rng(3)
    lines = ["case_id\tsubject_id\tage\tsex\tsite"]
    for rater in ("anna", "bela"):
        (folder / rater).mkdir()
    for number in range(12):
        sex, age = "FM"[number % 2], 25 + 4 * number
        side = 7 - (sex == "M") + rng.integers(0, 2)
        write_mask(folder / "anna" / f"c{number:02d}.nii.gz", (side, 6))
        write_mask(folder / "bela" / f"c{number:02d}.nii.gz", (side - number % 2, 6))
        lines.append(f"c{number:02d}\ts{number:02d}\t{age}\t{sex}\t{'AB'[number // 6]}")
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n")
    (folder / "cubes.yaml").write_text(TARGET)
    return folder


@pytest.fixture(scope="module")
def raters(cubes, tmp_path_factory):
    output = tmp_path_factory.mktemp("raters")
    arguments = [
        f"masks={cubes / 'anna'}",
        f"second={cubes / 'bela'}",
        f"target={cubes / 'cubes.yaml'}",
    ]
    arguments += [f"manifest={cubes / 'manifest.tsv'}", f"output={output}", "cases=3"]
    assert study(*arguments) == 0
    return output


def test_two_raters_agree_as_counted_by_hand(raters, cubes):
    found = table(raters, "agreement")
    whole = found[(found["stratum"] == "all") & (found["label"] == "left")]
    whole = whole.set_index("statistic")["value"]
    volumes = table(raters, "cases")
    first, second = volumes["left_anna_mm3"], volumes["left_bela_mm3"]
    assert whole["pearson_r"] == pytest.approx(np.corrcoef(first, second)[0, 1])
    assert whole["bias"] == pytest.approx((second - first).mean())
    assert set(found["label"]) == {"left", "right", "total"}
    assert {"sex", "age", "site"} <= set(found["stratum"])


def test_a_label_without_spread_says_so(raters):
    found = table(raters, "agreement")
    constant = found[(found["label"] == "right") & (found["statistic"] == "icc_a1")]
    assert constant["value"].isna().all()
    assert constant["reason"].str.contains("no spread|fewer than").all()


def test_effects_stand_for_both_raters_with_their_difference(raters):
    effects = table(raters, "effects")
    assert set(effects["method"]) == {"anna", "bela"}
    assert set(effects["hypothesis"]) == {"sex", "age"}
    found = table(raters, "effect_differences").query("model == 'declared'")
    differences = found.set_index("hypothesis")
    by_rater = effects[effects["model"] == "declared"].pivot(
        index="hypothesis", columns="method", values="estimate"
    )
    for name in ("sex", "age"):
        expected = by_rater.loc[name, "bela"] - by_rater.loc[name, "anna"]
        assert differences.loc[name, "difference"] == pytest.approx(expected)


def test_page_tables_figures_and_pictures_lie_in_the_folder(raters):
    page = (raters / "report.html").read_text()
    assert "Is the cube larger in women?" in page
    assert {path.suffix for path in (raters / "study" / "figures").iterdir()} == {".svg", ".png"}
    assert len(list((raters / "pictures").glob("*.png"))) == 3
    assert 'id="montage"' in (raters / "report.html").read_text("utf-8")
    assert not list(raters.rglob(".draft*"))


def test_the_same_study_twice_is_the_same_bytes(raters, cubes):
    settings = {"manifest": cubes / "manifest.tsv", "target": cubes / "cubes.yaml"}
    again = study_of_masks(cubes / "anna", cubes / "bela", **settings)
    for name, found in again.tables.items():
        path = raters / "study" / f"{name}.tsv"
        assert path.read_bytes() == table_text(found).encode(), name


def test_masks_alone_give_volumes_and_effects(cubes):
    settings = {"manifest": cubes / "manifest.tsv", "target": cubes / "cubes.yaml"}
    tables = study_of_masks(cubes / "anna", **settings).tables
    assert set(tables["volumes"]["method"]) == {"reference"}
    assert set(tables["effects"]["method"]) == {"reference"}
    assert tables["agreement"].empty


def test_rows_know_their_run(trained):
    folder, _ = trained
    tables = study_of(from_run(folder)).tables
    paths = set((folder / "study").glob("*.tsv")) - {folder / "study" / "claim.tsv"}
    assert {path.stem for path in paths} == tables.keys()
    for path in paths:
        assert path.read_bytes() == table_text(tables[path.stem]).encode(), path.name


def test_rows_that_the_manifest_does_not_know_are_named(trained, tmp_path):
    folder, _ = trained
    cases = (folder / "cases.tsv").read_text().splitlines(keepends=True)
    (tmp_path / "less.tsv").write_text("".join(cases[:-1]))
    lost = cases[-1].split("\t")[0]
    notes = from_run(folder, manifest=tmp_path / "less.tsv").notes
    assert f"1 case ({lost}) are not in less.tsv" in " ".join(notes)


@pytest.fixture
def copied(trained, tmp_path):
    """A run folder with nothing but what a study reads."""
    folder = tmp_path / "copied"
    folder.mkdir()
    for name in ("rows.csv", "cases.tsv", "config.yaml", "summary.json", "run.json"):
        shutil.copy(trained[0] / name, folder)
    return folder


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_run_without_its_scans_is_studied_all_the_same(trained, tiny, copied, capsys):
    edit(copied / "cases.tsv", str(tiny), "/gone")
    assert study(f"rows={copied}", "cases=3") == 0
    assert "no longer have all their files" in capsys.readouterr().out
    effects = (table(place, "effects") for place in (trained[0], copied))
    pd.testing.assert_frame_equal(*effects)
    assert not list(copied.glob("pictures/*"))


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("config.yaml", "neurotarget.types.Target", "os.system", "wanted a class of"),
        ("config.yaml", "name: ball", "name: ../../x", "needs names of letters"),
        ("config.yaml", "target:", "aim:", "found no target, wanted that of a run"),
        ("config.yaml", "labels:", "lapels:", "no such setting 'lapels'; did you mean labels"),
        ("config.yaml", "name: ball", "name: !!python/name:os.x", "found broken YAML"),
        ("rows.csv", ",volume_mm3,", ",volume_mm3,-", "found a size below 0 in line"),
        ("rows.csv", ",dice,", ",dice,inf", "could not convert|infinite"),
        ("rows.csv", "value", "number", "found no column value"),
        ("cases.tsv", "case_id", "id", "found no column case_id"),
    ],
)
def test_a_broken_run_folder_is_one_sentence(copied, name, old, new, message, capsys):
    edit(copied / name, old, new)
    with pytest.raises(SystemExit, match="2"):
        study(f"rows={copied}")
    error = capsys.readouterr().err
    assert pd.Series([error]).str.contains(message).all(), error
    assert "Traceback" not in error
    assert not (copied / "study").exists()


def test_rows_of_another_cohort_are_refused(copied, capsys):
    rows = pd.read_csv(copied / "rows.csv", dtype=str, keep_default_na=False)
    rows.assign(case_id="x" + rows["case_id"]).to_csv(copied / "rows.csv", index=False)
    with pytest.raises(SystemExit, match="2"):
        study(f"rows={copied}")
    assert "found none of the cases of the rows" in capsys.readouterr().err


def test_records_of_another_kind_are_passed_over(copied):
    for text in ("[1]", "{", '{"hypotheses": 3, "code": 1, "hardware": [1]}'):
        for name in ("summary.json", "run.json"):
            (copied / name).write_text(text)
        material = from_run(copied)
        assert material.facts == {}
    assert len(study_of(material).tables["cases"]) == 3


def test_rows_without_a_value_give_a_study_that_says_so(copied, capsys):
    rows = pd.read_csv(copied / "rows.csv", dtype=str, keep_default_na=False)
    rows.assign(value="").to_csv(copied / "rows.csv", index=False)
    assert study(f"rows={copied}", "cases=0") == 0
    assert "No case has a volume" in capsys.readouterr().out
    assert table(copied, "effects")["estimate"].isna().all()
    assert table(copied, "effects")["reason"].notna().all()


def test_a_study_leaves_nothing_of_an_earlier_one(trained, copied):
    made = copied
    for name in ("study", "pictures"):
        shutil.copytree(trained[0] / name, made / name)
    for name in ("report.html", RECORD):
        shutil.copy(trained[0] / name, made)
    assert (made / "study" / "figures" / "scatter.svg").is_file()
    assert list((made / "pictures").glob("*"))
    rows = pd.read_csv(copied / "rows.csv", dtype=str, keep_default_na=False)
    rows[rows["metric"] == "volume_mm3"].to_csv(copied / "rows.csv", index=False)
    (made / "study" / "figures" / "mine.svg").write_text("mine")
    assert study(f"rows={copied}", "cases=0") == 0
    assert not (made / "study" / "figures" / "scatter.svg").exists()
    assert (made / "study" / "figures" / "mine.svg").is_file()
    assert not list((made / "pictures").glob("*"))
    assert "predicted" in set(table(made, "effects")["method"])
    assert "reference" not in set(table(made, "volumes")["method"])


def test_masks_of_no_case_are_refused(cubes, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    arguments = [f"target={cubes / 'cubes.yaml'}", f"manifest={cubes / 'manifest.tsv'}"]
    with pytest.raises(SystemExit, match="2"):
        study(f"masks={cubes / 'anna'}", f"second={tmp_path / 'empty'}", *arguments)
    assert "found no mask of any case, wanted files named" in capsys.readouterr().err


def test_names_that_no_file_may_have_are_made_fit(tmp_path):
    text = "case_id,Left gland (mm),Left gland [mm],age\n" + "".join(
        f"../../c{number},{number + 1},{2 * number + 1},{20 + number % 7}\n" for number in range(9)
    )
    path = tmp_path / "my volumes = 2.csv"
    path.write_text(text)
    arguments = ["labels=Left gland (mm),Left gland [mm]", f"output={tmp_path / 'a b'}"]
    assert study(f"table={path}", *arguments) == 0
    found = table(tmp_path / "a b", "volumes")
    assert set(found["label"]) == {"Left_gland_mm", "Left_gland_mm_2", "total"}
    assert {item.name for item in tmp_path.iterdir()} == {path.name, "a b"}


def test_ages_with_a_decimal_comma_are_reported(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('id,v,age\na,1,"20,5"\nb,3,"30,1"\nc,6,40\nd,8,"50,9"\n')
    notes = " ".join(asked(path, labels="v").notes)
    assert "age = '20,5' and similar values, wanted numbers; write a decimal" in notes


def test_a_method_called_reference_is_the_reference_wherever_it_stands(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,v_net,v_reference,age\na,1,2,20\nb,3,4,30\nc,6,7,40\nd,8,9,50\n")
    agreement = asked(path, labels="v", methods=["net", "reference"]).tables["agreement"]
    assert set(agreement["first"]) == {"reference"}
    bias = agreement.set_index("statistic").loc["bias", "value"].tolist()[0]
    assert bias == pytest.approx(-1)


def test_a_table_of_areas_is_studied_in_its_own_unit(tmp_path, capsys):
    path, out = tmp_path / "films.csv", tmp_path / "out"
    lines = [
        f"c{number},{500 + 9 * number},{510 + 8 * number},{20 + number}" for number in range(12)
    ]
    path.write_text("\n".join(["id,lung_hand_px,lung_net_px,age", *lines]))
    arguments = ["labels=lung", "methods=hand,net", "reference=hand", f"output={out}"]
    asked = ["unit=px", "ask=area ~ age: positive"]
    assert study(f"table={path}", *arguments, *asked) == 0
    assert set(table(out, "areas")["unit"]) == {"px"}
    assert set(table(out, "effects")["unit"]) == {"px/year"}
    assert not (out / "study" / "volumes.tsv").exists()
    assert "volume" not in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        study(f"table={path}", *arguments, "unit=inch")
    assert "wanted one of mm3, mm³, ml, cm3, cm³, mm2, mm², px" in capsys.readouterr().err


def test_a_table_of_two_methods_needs_no_image(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.normal(600, 80, 30)
    made = pd.DataFrame(
        {
            "case_id": [f"c{number}" for number in range(30)],
            "age": np.linspace(20, 80, 30),
            "sex": ["F", "M"] * 15,
            "gland_hand": truth,
            "gland_net": truth + rng.normal(10, 5, 30),
        }
    )
    made.to_csv(tmp_path / "volumes.csv", index=False)
    question = "volume ~ age + sex: any; volume: F != M"
    limits = {"acceptable": "limits_percent=15", "matters": "5 %", "reference": "hand"}
    named = {"labels": "gland", "methods": ["hand", "net"]}
    tables = asked(tmp_path / "volumes.csv", ask=question, **named, **limits).tables
    found = tables["agreement"]
    whole = found[found["stratum"] == "all"].set_index("statistic")["value"]
    assert whole["bias"] == pytest.approx(10, abs=3)
    effects = tables["effects"].drop_duplicates("hypothesis").set_index("hypothesis")
    assert set(effects.index) == {"age", "sex"}
    assert effects.loc["sex", "matters"] == pytest.approx(0.05 * truth.mean(), rel=1e-6)
    assert math.isnan(effects.loc["age", "matters"])  # a share is of a group difference
    (judged,) = tables["assumptions"].to_dict("records")
    mean = made[["gland_hand", "gland_net"]].to_numpy().mean()
    assert judged["acceptable"] == pytest.approx(0.15 * mean, rel=1e-6)
    assert judged["verdict"] == "inside"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["target=cubes"], "found none of them, wanted one of rows=, masks= and table="),
        (["rows=a", "table=b"], "found rows and table, wanted one"),
        (["table=absent.tsv"], "no such file: absent.tsv"),
        (["table=~no-user/p.tsv"], "no such file: ~no-user/p.tsv"),
        (["rows=absent"], "rows: no such file or folder: absent"),
        (["rows=absent", "labels=a"], "labels= has no meaning here, it belongs to table="),
        (["masks=."], "found no target, wanted both"),
        (["tabel=x"], "did you mean table?"),
        (["table={table}", "labels=v", "ask=volume ~ : x"], "ask: .*wanted one of"),
        (["table={table}", "labels=v", "ask=volume[w]: F > M"], "ask: no label w; known are v"),
        (["table={table}", "labels=v", "matters=1 cm"], "got matters '1 cm', wanted the smallest"),
        (["table={table}", "acceptable=limits=5"], "found 'limits=5', wanted each of limits_mm3"),
        (["table={table}", "acceptable=limits_mm3=-5"], "with a number above 0, such as"),
        (["table={table}", "acceptable=dice_margin=nan"], "with a number above 0, such as"),
        (
            ["table={table}", "acceptable=limits_mm3=5, limits_percent=5"],
            "found both limits_mm3 and limits_percent, wanted the limits in one unit; leave one",
        ),
        (["table={table}", "labels=v", "reference=net"], "wanted one of the methods"),
        (["table={table}", "labels=v", "target=pituitary"], "v, which target pituitary does not"),
        (["table={table}", "labels=v", "seed=-1"], "seed: got '-1', wanted a whole number"),
        (["table={table}", "labels=v", "seed=99999999999"], "seed: .*wanted a whole number"),
        (["table={table}", "labels=v", "cases=²"], "cases: .*wanted a whole number"),
        (["table="], "table= has no value"),
        (["{table}"], "without its kind; set rows=.*t.tsv, masks="),
        (["table={table}", "labels=v", "output={table}/x"], "t.tsv is a file, wanted a folder"),
        (["rows={table}", "predictions={table}"], "t.tsv is a file, wanted a folder of masks"),
        (["table=" + "x" * 300], "File name too long"),
        (["table={table}"], "labels="),
    ],
)
def test_a_slip_is_one_sentence(arguments, message, tmp_path, capsys):
    path = tmp_path / "t.tsv"
    path.write_text("case_id\tv\tage\na\t1\t20\nb\t2\t30\nc\t4\t40\n")
    arguments = [word.replace("{table}", str(path)) for word in arguments]
    if not any(word.startswith("output=") for word in arguments):
        arguments.append(f"output={tmp_path / 'out'}")
    with pytest.raises(SystemExit, match="2"):
        study(*arguments)
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()
    assert pd.Series([error.replace("\n", " ")]).str.contains(message).all(), error


def test_the_real_masks_answer_the_question(shared_data):
    folder = shared_data / "pituitary_masks"
    settings = {"manifest": folder / "participants.tsv", "target": "pituitary"}
    found = study_of_masks(folder / "masks", **settings)
    effects = found.tables["effects"].query("model == 'declared'").set_index("hypothesis")
    assert effects.loc["sex_difference", "verdict"] == "shown"
    assert 100 < effects.loc["sex_difference", "estimate"] < 170
    assert effects.loc["age_slope", "verdict"] == "inconclusive"
    assert effects.loc["age_slope", "low"] < 0 < effects.loc["age_slope", "high"]
    volumes = found.tables["volumes"].query("stratum == 'site'")
    assert volumes.groupby("level")["n"].sum().to_dict() == {
        "Guys": 32,
        "Hammersmith": 20,
        "IOP": 4,
    }
    assert "IXI251" in " ".join(found.notes)


def test_real_sites_are_left_out_one_by_one(shared_data, tmp_path):
    listed = pd.read_csv(shared_data / "tables" / "fcon1000.csv", dtype=str)
    path = tmp_path / "fcon1000.csv"  # one of its people is there twice
    listed[listed["sub_id"] != "ICBM_sub41546"].to_csv(path, index=False)
    question = "volume ~ age + sex + EstimatedTotalIntraCranialVol: negative"
    labels = "Left-Hippocampus,Right-Hippocampus"
    tables = asked(path, labels=labels, ask=question, id_column="sub_id").tables
    assert tables["sites"]["site"].nunique() == 23
    assert set(tables["sites"]["label"]) == {"Left-Hippocampus", "Right-Hippocampus", "total"}
    effects = tables["effects"].set_index("model")
    assert effects.loc["declared", "n"] == 1077
    assert effects.loc["declared", "verdict"] == "shown"
    assert effects.loc["with_site", "verdict"] == "inconclusive"


def test_a_real_table_with_a_person_twice_names_both(shared_data, tmp_path, capsys):
    arguments = [f"table={shared_data / 'tables' / 'fcon1000.csv'}", "labels=Left-Hippocampus"]
    with pytest.raises(SystemExit, match="2"):
        study(*arguments, f"output={tmp_path}")
    assert "ICBM_sub10582 and ICBM_sub41546" in capsys.readouterr().err


def test_asked_covariates_are_found_in_whatever_case(shared_data):
    folder = shared_data / "tables" / "enigma"
    paths = folder / "cov.csv", folder / "metr1_SubVol.csv"
    tables = asked(
        *paths, labels="Lhippo,Rhippo", ask="volume ~ Dx + Age + Sex + icv: 1 < 0"
    ).tables
    effect = tables["effects"].query("model == 'declared'").iloc[0]
    assert effect["n"] == 20
    assert np.isfinite(effect["estimate"])
    assert {"Lhippo", "Rhippo", "total"} == set(tables["volumes"]["label"])


def test_names_of_files_and_cases_keep_their_letters_at_the_head_of_a_sentence():
    result = ("warning", "c1", "d/m.csv", "none", "one", "add it")
    assert sentence(Problem(*result)).startswith("c1: d/m.csv: found none")
    assert sentence(Problem("warning", "", "", *result[3:])) == "Found none, wanted one; add it."
