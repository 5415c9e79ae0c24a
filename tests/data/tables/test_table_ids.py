import pytest

from neurotarget.data.tables.volume_table import read_volume_table
from neurotarget.problems import DataError

HIPPOCAMPI = ("Left-Hippocampus", "Right-Hippocampus")
VISITS = ["sub-01_ses-1", "sub-01_ses-2", "sub-02_ses-1"]


@pytest.fixture
def write(tmp_path):
    def make(name, *lines):
        path = tmp_path / name
        path.write_text("\n".join(line.replace(" ", "\t") for line in lines) + "\n")
        return path

    return make


def read(*paths, labels=("gland",)):
    return read_volume_table(paths, labels=labels)


@pytest.mark.parametrize(
    ("name", "warnings"),
    [
        ("participants.tsv", 0),
        ("excel_utf16.txt", 2),
        ("excel_utf8bom.csv", 2),
        ("excel_sep.csv", 2),
        ("excel_latin1.csv", 3),
    ],
)
def test_a_table_by_freesurfer_joins_with_covariates(cases_folder, name, warnings):
    folder = cases_folder / "asegstats"
    found = read(folder / "aseg.txt", folder / name, labels=HIPPOCAMPI)
    people = found.covariates
    assert len(people) >= 119
    assert found.volumes["measured"].loc["sub-001"].tolist() == [3331.3, 3767.8]
    assert people.loc["sub-001", "age"] == 25.63
    assert people.loc["sub-002", ["age", "sex"]].tolist() == [18.34, "M"]
    assert "EstimatedTotalIntraCranialVol" in people
    error = [str(problem) for problem in found.problems if "found no row" not in str(problem)]
    assert len(error) == warnings


def test_thicknesses_by_freesurfer_are_no_volumes(write):
    source = write("lh.txt", "lh.aparc.thickness lh_insula", "s1 3.1")
    with pytest.raises(
        DataError, match=r"FreeSurfer's measure thickness, wanted volumes; .*--meas"
    ):
        read(source, labels=("lh_insula",))
    source = write("lh.txt", "lh.aparc.volume lh_insula_volume", "s1 7000")
    assert read(source, labels=("lh_insula",)).volumes["measured"].loc["s1", "lh_insula"] == 7000


def test_covariates_follow_the_visit(write):
    volumes = write("v.tsv", "case_id gland", *(f"{name} 5" for name in VISITS))
    lines = ("sub-01 2 71 F", "sub-01 1 61 F", "sub-02 1 50 M")
    people = write("participants.tsv", "participant_id session_id age sex", *lines)
    for paths in ((volumes, people), (people, volumes)):
        found = read(*paths)
        ages = found.covariates.loc[VISITS, "age"]
        assert ages.tolist() == [61, 71, 50]
        assert found.covariates.loc[VISITS, "subject_id"].tolist() == ["sub-01", "sub-01", "sub-02"]
        assert found.problems == []


def test_covariates_of_people_join_to_all_their_visits(write):
    volumes = write("v.tsv", "case_id gland", *(f"{name} 5" for name in VISITS))
    people = write("participants.tsv", "participant_id sex", "sub-01 F", "sub-02 M")
    found = read(volumes, people)
    assert list(found.covariates.index) == VISITS
    assert found.covariates["sex"].tolist() == ["F", "F", "M"]
    assert found.covariates["subject_id"].tolist() == ["sub-01", "sub-01", "sub-02"]


def test_sessions_of_one_table_are_cases_of_their_own(write):
    found = read(write("v.tsv", "participant_id session_id gland", "a 1 5", "a 2 6", "b 1 7"))
    assert found.volumes["measured"]["gland"].to_dict() == {
        "a_ses-1": 5,
        "a_ses-2": 6,
        "b_ses-1": 7,
    }
    assert found.covariates["subject_id"].tolist() == ["a", "a", "b"]


def test_one_session_each_leaves_the_ids_alone(write):
    found = read(write("v.tsv", "participant_id session_id gland", "a 1 5", "b 1 7"))
    assert list(found.covariates.index) == ["a", "b"]


def test_ids_that_lost_their_leading_zeros_join_with_a_warning(write):
    volumes = write("v.tsv", "case_id gland", "sub-001 5", "sub-010 6")
    found = read(volumes, write("p.tsv", "id age", "1 61", "10 62"))
    assert found.covariates["age"].to_dict() == {"sub-001": 61, "sub-010": 62}
    (problem,) = found.problems
    assert "ids without leading zeros (1, 10)" in problem.found


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize(
    ("head", "lines"),
    [
        ("participant_id session_id age", ("1 1 61", "1 2 71", "2 1 50")),
        ("participant_id session_id age", ("01 ses-01 61", "01 ses-02 71", "02 ses-01 50")),
        ("case_id age", ("sub-1_ses-01 61", "sub-1_ses-02 71", "sub-2_ses-01 50")),
        ("case_id age", ("01_ses-1 61", "01_ses-2 71", "02_ses-1 50")),
    ],
)
def test_visits_join_however_people_and_sessions_are_spelt(write, is_first, head, lines):
    rows = ("sub-01 ses-1 5", "sub-01 ses-2 6", "sub-02 ses-1 7")
    volumes = write("v.tsv", "participant_id session_id gland", *rows)
    ages = write("ages.tsv", head, *lines)
    sexes = write("sexes.tsv", "participant_id sex", "01 F", "2 M")
    found = read(*([ages, volumes] if is_first else [volumes, ages]), sexes)
    assert found.volumes["measured"]["gland"].tolist() == [5, 6, 7]
    assert found.covariates["age"].tolist() == [61, 71, 50]
    assert found.covariates["sex"].tolist() == ["F", "F", "M"]
    assert found.covariates["subject_id"].nunique() == 2
    assert not any("no row" in problem.found for problem in found.problems)
