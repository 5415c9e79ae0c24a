import pytest

from neurotarget.data.cases.manifest import read_manifest, scan_manifest
from neurotarget.data.tables.participants import add_participants, add_sessions
from neurotarget.types import Case

VISITS = ["sub-01_ses-1", "sub-01_ses-2"]


def cases_of(*case_ids):
    return [Case(name, name.split("_")[0], {}) for name in case_ids]


@pytest.fixture
def ages(tmp_path):
    """Ages that a `participants.tsv` of some lines gives to cases, and the problems."""

    def read(lines, *case_ids):
        text = "\n".join("\t".join(line.split()) for line in lines) + "\n"
        (tmp_path / "participants.tsv").write_text(text)
        cases, problems = add_participants(cases_of(*case_ids), tmp_path, None)
        return [case.covariates.get("age") for case in cases], [str(item) for item in problems]

    return read


@pytest.mark.parametrize("name", ["participants_row_per_session", "sessions_without_prefix"])
def test_ages_follow_the_visit(cases_folder, make_target, name):
    cases = read_manifest(cases_folder / name, make_target()).cases
    assert [case.covariates["age"] for case in cases] == [
        age for number in range(1, 7) for age in (60 + number, 70 + number)
    ]
    assert {case.covariates["sex"] for case in cases} == {"F", "M"}


@pytest.mark.parametrize(
    ("column", "first", "second"),
    [
        ("session_id", "ses-1", "ses-2"),
        ("session_id", "1", "2"),
        ("session", "01", "02"),
        ("ses", "1", "2"),
        ("Session_ID", "1", "2"),
        ("Session", "ses-1", "ses-2"),
    ],
)
def test_rows_of_one_person_are_told_apart_by_their_session(ages, column, first, second):
    lines = [f"participant_id {column} age", f"sub-01 {second} 71", f"sub-01 {first} 61"]
    assert ages(lines, *VISITS) == ([61.0, 71.0], [])


def test_id_columns_count_in_any_case(tmp_path):
    lines = "Participant_ID\tSubject_ID\tage\nsub-01\tP7\t61\n"
    (tmp_path / "participants.tsv").write_text(lines)
    (case,), problems = add_participants(cases_of("sub-01"), tmp_path, None)
    assert (case.subject_id, case.covariates, problems) == ("P7", {"age": 61.0}, [])


def test_rows_of_one_person_are_told_apart_by_their_run(ages):
    lines = ["participant_id run age", "sub-01 2 71", "sub-01 1 61"]
    assert ages(lines, "sub-01_run-01", "sub-01_run-02") == ([61.0, 71.0], [])


def test_rows_that_differ_and_cannot_be_matched_are_an_error(ages):
    lines = ["participant_id age sex", "sub-01 61 F", "sub-02 50 M", "sub-01 71 F"]
    _, problems = ages(lines, *VISITS, "sub-02_ses-1")
    assert len(problems) == 2  # one per case
    assert "sub-01_ses-1: " in problems[0]
    assert "rows in lines 2, 4 for it, with age = 61 or 71" in problems[0]


def test_equal_rows_of_one_person_are_one(ages):
    lines = ["participant_id age sex", "sub-01 61 F", "sub-01 61 n/a"]
    assert ages(lines, *VISITS) == ([61.0, 61.0], [])


def test_the_age_at_another_visit_is_not_taken(ages):
    lines = ["participant_id session_id age", "sub-01 ses-1 61"]
    values, problems = ages(lines, *VISITS)
    assert values == [61.0, None]
    assert ["no row of the session 2 (but ses-1)" in text for text in problems] == [True]


def test_a_row_without_a_session_is_for_all_others(ages):
    lines = ["participant_id session_id age", "sub-01 n/a 60", "sub-01 ses-2 71"]
    assert ages(lines, *VISITS) == ([60.0, 71.0], [])


def test_a_column_session_that_names_none_is_a_covariate(ages):
    lines = ["participant_id session age", "sub-01 morning 60"]
    assert ages(lines, *VISITS) == ([60.0, 60.0], [])


def test_ids_that_lost_their_leading_zeros_are_found(ages):
    lines = ["participant_id age", "1 61", "2 62"]
    assert ages(lines, "sub-001", "sub-002") == ([61.0, 62.0], [])


def test_ids_that_are_one_number_twice_are_not_guessed(ages):
    lines = ["participant_id age", "1 61", "2 62"]
    values, problems = ages(lines, "sub-1", "sub-01", "sub-001", "sub-2")
    assert values == [61.0, None, None, 62.0]
    assert ["found no row" in text for text in problems] == [True, True]


def test_a_session_that_its_table_lacks_is_named(tmp_path):
    (tmp_path / "sub-01").mkdir()
    (tmp_path / "sub-01/sub-01_sessions.tsv").write_text("session_id\tage\n1\t61\n")
    cases, problems = add_sessions(cases_of(*VISITS), tmp_path, None)
    assert [case.covariates for case in cases] == [{"age": 61.0}, {"age": None}]
    assert "no row of the session 2 (but 1)" in str(problems[0])


@pytest.mark.parametrize("second", ["ses-2\tn/a\n", ""], ids=["missing", "no row"])
@pytest.mark.parametrize("columns", ["session_id\tage", "Session_ID\tAge"])
def test_the_age_of_a_person_is_not_given_to_a_session_without_one(tmp_path, columns, second):
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-01\t61\nsub-02\t50\n")
    (tmp_path / "sub-01").mkdir()
    (tmp_path / "sub-01/sub-01_sessions.tsv").write_text(f"{columns}\nses-1\t61\n{second}")
    cases, _ = add_participants(cases_of(*VISITS, "sub-02_ses-1"), tmp_path, None)
    cases, problems = add_sessions(cases, tmp_path, None)
    ages = [
        {value for name, value in case.covariates.items() if name.casefold() == "age"} - {None}
        for case in cases
    ]
    assert ages == [{61.0}, set(), {50.0}]  # without a table of sessions a person's age stays
    assert {problem.level for problem in problems} == {"warning"}
    assert "no age of sub-01_ses-2, wanted one for each session" in str(problems[-1])


def test_a_session_of_two_ages_is_an_error(tmp_path):
    (tmp_path / "sub-01").mkdir()
    text = "session_id\tage\nses-1\t61\n1\t62\nses-2\t71\n"
    (tmp_path / "sub-01/sub-01_sessions.tsv").write_text(text)
    _, problems = add_sessions(cases_of(*VISITS), tmp_path, None)
    assert [(item.level, item.case_id) for item in problems] == [("error", "sub-01_ses-1")]


def test_a_table_of_sessions_without_their_ids_is_a_warning(tmp_path):
    (tmp_path / "sub-01").mkdir()
    (tmp_path / "sub-01/sub-01_sessions.tsv").write_text("visit\tage\n1\t61\n")
    _, problems = add_sessions(cases_of(*VISITS), tmp_path, None)
    assert "the columns visit, age, wanted session_id" in str(problems[0])


def test_sessions_are_found_of_people_with_another_id(bids, make_target):
    folder = bids(["sub-01_ses-1_T1w"])
    (folder / "participants.tsv").write_text("participant_id\tsubject_id\nsub-01\tP7\n")
    (folder / "sub-01/sub-01_sessions.tsv").write_text("session_id\tage\nses-1\t61\n")
    (case,) = read_manifest(folder, make_target()).cases
    assert (case.subject_id, case.covariates) == ("P7", {"age": 61.0})


def test_what_hypotheses_ask_for_comes_from_phenotypes(bids, make_target):
    folder = bids(["sub-01_ses-1_T1w", "sub-01_ses-2_T1w"])
    (folder / "phenotype").mkdir()
    lines = "participant_id\tsession_id\tmoca\tage\nsub-01\t2\t21\t1\nsub-01\t1\t28\t2\n"
    (folder / "phenotype/moca.tsv").write_text(lines)
    (folder / "participants.tsv").write_text("participant_id\tage\tsubject_id\nsub-01\t61\tP7\n")
    target = make_target(hypotheses={"slope": "volume ~ moca + age: positive"})
    manifest, problems = scan_manifest(folder, target)
    assert [case.covariates for case in manifest.cases] == [
        {"age": 61.0, "moca": 28.0},
        {"age": 61.0, "moca": 21.0},
    ]
    assert problems == []
    assert "moca" not in read_manifest(folder, make_target()).cases[0].covariates


def test_top_coded_ages_are_read_with_a_warning(cases_folder, make_target):
    manifest, problems = scan_manifest(cases_folder / "ages_89_plus", make_target())
    assert [case.covariates["age"] for case in manifest.cases][2:5] == [89.0, None, 66.0]
    assert [problem.level for problem in problems] == ["warning"]
    assert "limit age = 89+ in sub-03, sub-10" in problems[0].found
    assert "read as its number, which effects of age take as exact" in problems[0].todo
    target = make_target(hypotheses={"slope": "volume ~ age: negative"})
    assert scan_manifest(cases_folder / "ages_89_plus", target)[1] == problems
