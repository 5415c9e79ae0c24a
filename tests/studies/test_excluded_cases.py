import pandas as pd
import pytest

from neurotarget.problems import DataError
from neurotarget.studies.excluded_cases import read_exclusions
from neurotarget.studies.make_study import Source, make_study
from neurotarget.studies.study_inputs import from_run
from oracles.runs import CASES, write_images, write_run

HEAD = "case_id\trating\tnote\n"


def listed(tmp_path, text):
    (tmp_path / "ratings.tsv").write_text(text)
    return tmp_path / "ratings.tsv"


def test_cases_rated_3_are_excluded(tmp_path):
    path = listed(
        tmp_path, f"{HEAD}a\t1\tn/a\nb\t3\tcut off\nc\tn/a\tlook\nd\t2\tn/a\n0012\t3\tn/a\n"
    )
    assert read_exclusions(path).case_ids == ("b", "0012")


def test_a_list_without_ratings_excludes_all_of_its_cases(tmp_path):
    assert read_exclusions(listed(tmp_path, "case_id\na\nb\na\n")).case_ids == ("a", "b")


def test_every_wrong_rating_is_named_at_once(tmp_path):
    path = listed(tmp_path, f"{HEAD}a\t4\tn/a\nb\tbad\tn/a\n")
    with pytest.raises(DataError, match=r"(?s)rating 4 in line 2.*rating bad in line 3"):
        read_exclusions(path)


def test_a_table_without_cases_is_refused(tmp_path):
    with pytest.raises(DataError, match="found the columns x, y, wanted case_id"):
        read_exclusions(listed(tmp_path, "x\ty\n1\t2\n"))


@pytest.fixture
def source(tmp_path):
    images = write_images(tmp_path / "images")
    run = write_run(tmp_path / "run", test=CASES, images=images)
    return Source("rows=…", lambda target: from_run(run, target=target))


def test_a_study_leaves_excluded_cases_out_and_says_so(source, tmp_path):
    path = listed(tmp_path, f"{HEAD}sub-01\t3\tn/a\nother\t3\tn/a\n")
    done = make_study(source, exclude=path, output=tmp_path / "study", cases=0)
    measured = done.study.measured
    assert sorted(measured.covariates.index) == [name for name in CASES if name != "sub-01"]
    assert "sub-01" not in set(measured.scores["case_id"])
    assert all("sub-01" not in table.index for table in measured.values.values())
    notes = " ".join(done.study.notes)
    assert "1 case (sub-01) left out by ratings.tsv." in notes
    assert "1 case (other) of ratings.tsv not in this study." in notes
    flow = pd.read_csv(done.tables["flow"], sep="\t").set_index("step")
    assert flow.loc["cases listed", "n"] == len(CASES)
    assert flow.loc["kept", "n"] == len(CASES) - 1
    assert flow.loc["kept", "why"] == "excluded by a list"


def test_excluding_every_case_is_refused(source, tmp_path):
    path = listed(tmp_path, "case_id\n" + "\n".join(CASES) + "\n")
    with pytest.raises(DataError, match="found all 6 cases excluded"):
        make_study(source, exclude=path, output=tmp_path / "study", cases=0)
