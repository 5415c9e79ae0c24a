import math
import time

import pandas as pd
import pytest

from neurotarget.data.tables.volume_table import read_volume_table
from neurotarget.inference.ledger import CaseResult, Ledger, volume_form
from neurotarget.problems import DataError
from neurotarget.size_units import PIXELS
from neurotarget.types import Target


@pytest.fixture
def write(tmp_path):
    def make(*lines, name="volumes.csv"):
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        return path

    return make


def read(*paths, labels=("gland",), **options):
    return read_volume_table(paths, labels=labels, **options)


def problem_text(found):
    return "\n".join(str(problem) for problem in found.problems)


def test_one_method_is_called_reference(write):
    found = read(write("case_id,gland,age,sex,site", "a,500,30,female,X", "b,n/a,n/a,M,Y"))
    assert list(found.volumes) == ["measured"]
    volumes = found.volumes["measured"]
    assert volumes.index.name == "case_id"
    assert volumes.loc["a", "gland"] == 500
    assert math.isnan(volumes.loc["b", "gland"])
    table = found.covariates
    assert list(table.columns) == ["subject_id", "age", "sex", "site"]
    assert list(table["sex"]) == ["F", "M"]
    assert table["age"].dtype == float
    assert list(table["subject_id"]) == list(table.index) == ["a", "b"]
    assert found.problems == []


@pytest.mark.parametrize(
    "column", ["participant_id", "subject_id", "sub_id", "SubjID", "subject", "ID"]
)
def test_ids_have_several_names(write, column):
    found = read(write(f"{column},gland", "007,500"))
    assert list(found.covariates.index) == ["007"]


def test_any_column_can_hold_the_ids(write):
    found = read(write("scan,id,gland", "a,1,500", "b,1,510"), id_column="Scan")
    assert list(found.volumes["measured"].index) == ["a", "b"]
    assert list(found.covariates["subject_id"]) == ["1", "1"]


def test_sessions_of_one_person_keep_their_subject(write):
    found = read(write("case_id,participant_id,gland", "s1_a,s1,500", "s1_b,s1,510", "s2_a,,3"))
    assert list(found.covariates["subject_id"]) == ["s1", "s1", "s2_a"]


@pytest.mark.parametrize(
    ("column", "unit", "volume_mm3"),
    [
        ("gland", "mm3", 0.5),
        ("GLAND_mm3", "mm3", 0.5),
        ("gland_volume", "ml", 500),
        ("gland", "cm3", 500),
        ("gland_mm3", "ml", 0.5),  # the name says the unit
        ("gland_ml", "mm3", 500),
    ],
)
def test_volumes_come_in_mm3(write, column, unit, volume_mm3):
    found = read(write(f"case_id,{column}", "a,0.5"), unit=unit)
    assert found.volumes["measured"].loc["a", "gland"] == pytest.approx(volume_mm3)


def test_an_unknown_unit_is_refused(write):
    with pytest.raises(DataError, match="unit: got 'litre', wanted one of mm3"):
        read(write("case_id,gland", "a,1"), unit="litre")


def test_labels_are_those_of_the_target_which_spells_covariates_too(write):
    claims = {"slope": "volume ~ TIV: positive"}
    target = Target(
        "t", ("t1",), {"Left-X": 1, "Right-X": 2}, (1, 1, 1), (4, 4, 4), hypotheses=claims
    )
    found = read(write("case_id,left_x,right_x,tiv", "a,1,2,3"), labels=None, target=target)
    assert list(found.volumes["measured"].columns) == ["Left-X", "Right-X"]
    assert list(found.covariates.columns) == ["subject_id", "TIV"]


def test_without_labels_the_numeric_columns_are_shown(write):
    source = write(
        "case_id,age,thickness,sex,gland,other", "a,30,2.5,F,500,400", "b,31,2,M,450,n/a"
    )
    with pytest.raises(DataError, match=r"labels=gland,other, of the numeric columns gland, oth"):
        read(source, labels=None)


def test_several_tables_join_by_id(write):
    first = write("case_id,age,sex", "sub-a,30,F", "sub-b,40,M", "sub-c,50,M")
    second = write("participant_id,gland,ICV", "b,410,9", "a,400,8", "d,430,7", name="v.csv")
    found = read(first, second)
    assert list(found.covariates.index) == ["sub-a", "sub-b", "sub-c", "d"]
    assert found.volumes["measured"].loc["sub-b", "gland"] == 410
    assert found.volumes["measured"]["gland"].isna().sum() == 1
    assert list(found.covariates["age"].isna()) == [False, False, False, True]
    assert [problem.level for problem in found.problems] == ["warning"] * 2
    assert "volumes.csv: found no row of 1 of 4 cases (d), wanted one row per case" in problem_text(
        found
    )
    assert "v.csv: found no row of 1 of 4 cases (sub-c)" in problem_text(found)


def test_covariates_of_subjects_join_to_all_their_cases(write):
    people = write("participant_id,age", "p1,30", "p2,40", name="participants.csv")
    scans = write("case_id,subject_id,gland", "x,p1,1", "y,p1,2", "z,sub-p2,3")
    for paths in ((people, scans), (scans, people)):
        found = read(*paths)
        assert list(found.covariates.index) == ["x", "y", "z"]
        assert list(found.covariates["age"]) == [30, 30, 40]
        assert found.problems == []


def test_equal_values_in_two_tables_join_silently_and_others_are_reported(write):
    first = write("case_id,gland,ICV,sex", "a,400,1000,F", "b,410,2000,M")
    second = write("case_id,icv,sex", "a,1000.0,female", "b,2001,F", name="c.csv")
    with pytest.raises(DataError) as caught:
        read(first, second)
    assert [(problem.case_id, problem.found) for problem in caught.value.problems] == [
        ("b", "icv = '2000' and '2001'"),
        ("b", "sex = 'M' and 'F'"),
    ]


def test_a_value_that_one_table_lacks_comes_from_the_other(write):
    first = write("case_id,gland,age", "a,400,n/a", "b,n/a,50")
    second = write("case_id,gland,age", "a,n/a,30", "b,410,", name="c.csv")
    found = read(first, second)
    assert list(found.covariates["age"]) == [30, 50]
    assert list(found.volumes["measured"]["gland"]) == [400, 410]


def test_two_volumes_of_one_case_are_refused(write):
    first, second = write("case_id,gland", "a,400"), write("case_id,gland", "a,500", name="c.csv")
    with pytest.raises(DataError, match=r"a: .*gland = 400 and 500 mm³, wanted one volume"):
        read(first, second)


@pytest.mark.parametrize("column", ["method", "Rater", "who"])
def test_methods_may_have_a_row_each(write, column):
    source = write(
        f"case_id,{column},gland,age",
        "a,anna,400,30",
        "a,ben,410,n/a",
        "b,anna,500,40",
        "b,ben,n/a,40",
        "c,ben,510,50",
    )
    found = read(source, method_column=column if column == "who" else None)
    assert list(found.volumes) == ["anna", "ben"]
    assert list(found.volumes["ben"].index) == ["a", "b", "c"]
    assert found.volumes["ben"]["gland"].tolist() == pytest.approx(
        [410, math.nan, 510], nan_ok=True
    )
    assert found.volumes["anna"]["gland"].isna().tolist() == [False, False, True]
    assert list(found.covariates["age"]) == [30, 40, 50]
    assert list(found.covariates.columns) == ["subject_id", "age"]


def test_the_reference_comes_first_and_methods_can_be_chosen(write):
    lines = [f"a,{name},{number}" for number, name in enumerate(("x", "reference", "y"))]
    source = write("case_id,method,gland", *lines)
    assert list(read(source).volumes) == ["reference", "x", "y"]
    assert list(read(source, methods=("y", "x")).volumes) == ["y", "x"]
    with pytest.raises(DataError, match=r"no method referense .*write reference"):
        read(source, methods=("referense",))


def test_methods_may_be_split_over_files_with_covariates_apart(write):
    first = write("case_id,method,gland", "a,net,400", "b,net,410")
    second = write("case_id,method,gland", "a,rater,405", "b,rater,415", name="r.csv")
    people = write("case_id,age", "a,30", "b,40", name="people.csv")
    found = read(first, second, people)
    assert list(found.volumes) == ["net", "rater"]
    assert list(found.covariates["age"]) == [30, 40]
    assert found.problems == []


def test_who_drew_a_case_is_a_covariate_where_each_has_one_row(write):
    found = read(write("case_id,rater,gland", "a,anna,400", "b,ben,410"))
    assert list(found.volumes) == ["measured"]
    assert list(found.covariates["rater"]) == ["anna", "ben"]


def test_covariates_must_agree_between_the_rows_of_a_case(write):
    source = write("case_id,rater,gland,age", "a,r1,400,30", "a,r2,410,31")
    with pytest.raises(
        DataError, match=r"a: .*found age = '30' and '31', wanted one value per case"
    ):
        read(source)


def test_many_disagreements_of_a_column_are_one_sentence(write):
    rows = [f"c{case},r{rater},400,{rater}" for case in range(30) for rater in (1, 2)]
    with pytest.raises(
        DataError, match=r"score = '1' and '2' and similar values in c0, c1"
    ) as caught:
        read(write("case_id,rater,gland,score", *rows))
    assert len(caught.value.problems) == 1
    assert "(30 in all)" in str(caught.value)


@pytest.mark.parametrize(
    "columns",
    [
        "gland_rater1,gland_rater2",
        "rater1_gland,Rater2-Gland",
        "gland_rater1_mm3,rater2_gland_volume",
    ],
)
def test_methods_may_have_a_column_each(write, columns):
    found = read(write(f"case_id,{columns},age", "a,400,410,30"), methods=("rater1", "rater2"))
    assert list(found.volumes) == ["rater1", "rater2"]
    assert found.volumes["rater2"].loc["a", "gland"] == 410
    assert list(found.covariates.columns) == ["subject_id", "age"]


def test_the_columns_of_all_methods_must_be_there(write):
    with pytest.raises(DataError, match=r"no column gland_rater2 .*wanted the volumes of gland"):
        read(write("case_id,gland_rater1", "a,400"), methods=("rater1", "rater2"))


def test_the_table_of_predictions_is_read(tmp_path):
    ledger = Ledger(tmp_path, volume_form(["gland", "stalk"]))
    ledger.record(CaseResult("a", "done", {"gland": 400.0, "stalk": 20.0}, "stalk: 2 pieces", "1f"))
    ledger.record(CaseResult("b", "failed", {}, "no such file", "2e"))
    found = read(ledger.path, labels=("gland", "stalk"))
    assert found.volumes["measured"].loc["a"].tolist() == [400, 20]
    assert found.volumes["measured"].loc["b"].isna().all()
    assert list(found.covariates.columns) == ["subject_id"]
    assert "1 of 2 predictions failed (b)" in problem_text(found)


def test_a_clinical_status_is_a_covariate(write):
    found = read(write("case_id,gland,status,total_mm3", "a,400,remission,500"))
    assert list(found.covariates.columns) == ["subject_id", "status", "total_mm3"]


def test_usual_covariates_are_found_in_any_case(write):
    found = read(write("case_id,gland,Age,Gender,SITE,Dx", "a,400,30,f,X,1"))
    assert list(found.covariates.columns) == ["subject_id", "age", "sex", "site", "group"]
    assert found.covariates.loc["a", "sex"] == "F"


def test_a_sex_in_numbers_is_pointed_at(write):
    found = read(write("case_id,gland,sex", "a,400,1", "b,410,2"))
    assert "sex = 1 or 2, wanted F or M" in problem_text(found)
    assert list(found.covariates["sex"]) == [1, 2]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("case_id,gland", "a,-3"), r"a: .*gland = '-3', wanted a volume of 0 or more"),
        (("case_id,gland", "a,inf"), "gland = 'inf'"),
        (("case_id,gland", "a,big"), r"gland = 'big', .*write n/a where there is none"),
        (("case_id,gland", 'a,"1,5"'), "write a decimal point, not a comma"),
        (("case_id,gland", "a,1", "a,2"), r"a: .*found 2 rows, .*need a column method"),
        (("case_id,gland", "a,1", "sub-a,2"), "found 2 rows"),
        (("case_id,method,gland", "a,x,1", "a,x,2"), "2 rows of the method x"),
        (("case_id,method,gland", "a,x,1", "a,,2"), "no method in 1 of 2 rows"),
        (("case_id,gland", ",1", "b,2"), "no case_id in 1 of 2 rows"),
        (
            ("person,gland", "a,1"),
            r"no column of ids \(only person, gland\), wanted one of case_id",
        ),
        (("case_id,glands", "a,1"), r"no column gland .*write glands if you mean that"),
        (("case_id,gland,gland_mm3", "a,1,1"), "the columns gland and gland_mm3 for gland"),
        (("case_id,gland,age", "a,1,30", "b,2,31", "c,3,x"), r"c: .*covariate age = 'x'"),
        (("case_id,gland",), "no row, wanted one row per case"),
        (("case_id,label,metric,value", "a,gland,dice,1"), "rows of scores"),
        (("case_id,gland", "a"), "1 cells in line 2"),
    ],
)
def test_a_broken_table_says_what_to_mend(write, lines, message):
    with pytest.raises(DataError, match=message):
        read(write(*lines))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"id_column": "cases"}, r"no column cases .*write case_id"),
        ({"method_column": "reader"}, r"no column reader .*write readers"),
    ],
)
def test_a_column_that_was_named_must_be_there(write, options, message):
    with pytest.raises(DataError, match=message):
        read(write("case_id,readers,gland", "a,x,1"), **options)


def test_a_file_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(DataError, match=r"gone\.csv: found no such file, wanted a CSV or TSV"):
        read(tmp_path / "gone.csv", labels=None)
    with pytest.raises(DataError, match="found a folder without statistics"):
        read(tmp_path)


def test_all_errors_of_all_tables_come_at_once(write):
    first = write("case_id,gland,age", "a,-1,30", "b,2,31", "c,3,x", "c,4,32", "e")
    second = write("case_id,age", "a,33", "d,", "d,", name="c.csv")
    with pytest.raises(DataError) as caught:
        read(first, second, labels=("gland", "stalk"))
    text = str(caught.value)
    for part in (
        "1 cells in line 6",
        "no column stalk",
        "gland = '-1'",
        "age = 'x'",
        "c: ",
        "'30' and '33'",
        "d: ",
        "2 rows",
    ):
        assert part in text


def test_real_volumes_of_a_thousand_heads_are_read_in_seconds(shared_data):
    path = shared_data / "tables" / "fcon1000.csv"
    labels = ["Left-Hippocampus", "Right-Hippocampus"]
    begin = time.process_time()
    found = read(path, labels=labels)
    assert time.process_time() - begin < 10  # alone it takes one
    volumes = found.volumes["measured"]
    assert volumes.shape == (1078, 2)
    raw = pd.read_csv(path)
    assert volumes["Left-Hippocampus"].tolist() == raw["Left-Hippocampus"].tolist()
    assert found.covariates["site"].nunique() == 23
    assert found.covariates["eTIV"].notna().all()
    assert "sex = 0 or 1, wanted F or M" in problem_text(found)
    with pytest.raises(DataError, match=r"of the numeric columns .*Left-Hippocampus"):
        read(path, labels=None)


def test_real_tables_of_patients_and_volumes_join(shared_data, tmp_path):
    folder = shared_data / "tables" / "enigma"
    paths = [folder / "cov.csv", folder / "metr1_SubVol.csv"]
    found = read(*paths, labels=["Lhippo", "Rhippo"])
    assert found.volumes["measured"].shape == (20, 2)
    assert found.volumes["measured"].loc["sub-PX003"].tolist() == [4209.5, 3950.3]
    assert found.covariates.loc["sub-PX005", "ICV"] == 1198380
    assert list(found.covariates.columns).count("ICV") == 1
    levels = [problem.level for problem in found.problems]
    assert levels == ["warning"] * 2  # Dx is read as the group; sex is in numbers
    changed = tmp_path / "changed.csv"
    changed.write_text(paths[1].read_text().replace("1684160", "1684161"))
    with pytest.raises(DataError, match=r"sub-PX003: .*ICV = '1684160' and '1684161'"):
        read(paths[0], changed, labels=["Lhippo"])


def test_areas_are_read_in_their_own_unit_and_never_as_volumes(tmp_path):
    path = tmp_path / "areas.tsv"
    ledger = Ledger(tmp_path, volume_form(["lungs"], PIXELS))
    ledger.record(CaseResult("a", "done", {"lungs": 400.0}, "", "1f"))
    read = read_volume_table([path], labels=["lungs"], unit="px")
    assert read.volumes["measured"]["lungs"].tolist() == [400.0]
    assert not {"total_px", "note"} & {*read.covariates}
    with pytest.raises(DataError, match=r"no column lungs .*set unit=px for areas"):
        read_volume_table([path], labels=["lungs"])
    with pytest.raises(DataError, match=r"column lungs_px, wanted volumes in mm3.*set unit=px"):
        read_volume_table([path], labels=["lungs_px"])
