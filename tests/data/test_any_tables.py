"""Any table is read to what its cells say, or answered in sentences."""

import csv
import io
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from neurotarget.data.cases.manifest import scan_manifest
from neurotarget.data.tables.text_table import is_missing, read_text_table

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,8}", fullmatch=True)
WORDS = st.from_regex(r"[A-Za-zäöé][A-Za-zäöé .,;\"'|-]{0,12}[a-zé]", fullmatch=True).filter(
    lambda word: not is_missing(word)
)
NUMBERS = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
KINDS = [("a.tsv", "\t"), ("a.csv", ","), ("a.csv", ";"), ("a.txt", "\t")]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16"]
TAKEN = ("label", "split", "fold", "image", "case_id", "subject_id", "sex", "gender", "na", "nan")


@st.composite
def cohorts(draw):
    """Names of columns, and rows of cases with a covariate of words and one of numbers."""
    ids = draw(st.lists(NAMES, min_size=1, max_size=5, unique_by=str.casefold))
    rows = [(one, draw(WORDS), draw(NUMBERS)) for one in ids]
    return [("case_id", "group_of_x", "score_of_x"), *rows]


@settings(max_examples=60)
@given(rows=cohorts(), kind=st.sampled_from(KINDS), encoding=st.sampled_from(ENCODINGS))
def test_a_table_of_any_separator_and_encoding_is_read_to_its_values(
    tmp_path, rows, kind, encoding
):
    name, separator = kind
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=separator)
    for row in rows:
        is_decimal_comma = separator == ";"
        cells = [str(cell) for cell in row]
        writer.writerow([*cells[:2], cells[2].replace(".", ",") if is_decimal_comma else cells[2]])
    path = tmp_path / name
    path.write_bytes(stream.getvalue().encode(encoding))
    manifest, problems = scan_manifest(path, None, need_images=False, need_files=False)
    errors = [problem for problem in problems if problem.level == "error"]
    assert not errors, errors
    read = {case.case_id: case.covariates for case in manifest.cases}
    assert list(read) == [row[0] for row in rows[1:]]
    for case_id, word, number in rows[1:]:
        assert read[case_id]["group_of_x"] == word
        assert math.isclose(read[case_id]["score_of_x"], number, abs_tol=1e-9)


def answered(path):
    manifest, problems = scan_manifest(path, None, need_images=False)
    assert manifest is not None or any(problem.level == "error" for problem in problems)
    assert all(problem.todo for problem in problems)


@settings(max_examples=120)
@given(
    head=st.lists(st.sampled_from([*TAKEN, "t1", "Label", " label", "age", ""]), max_size=7),
    rows=st.lists(st.lists(st.text(max_size=8), max_size=8), max_size=4),
    separator=st.sampled_from("\t,;|"),
    encoding=st.sampled_from([*ENCODINGS, "cp1252"]),
)
def test_a_table_of_any_columns_and_cells_is_answered(tmp_path, head, rows, separator, encoding):
    lines = [separator.join(row) for row in (["case_id", *head], *rows)]
    path = tmp_path / "b.csv"
    path.write_bytes("\n".join(lines).encode(encoding, "replace"))
    answered(path)


@settings(max_examples=120)
@given(content=st.binary(max_size=120), name=st.sampled_from(["c.csv", "c.tsv", "c.txt"]))
def test_bytes_that_are_no_table_are_answered(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    answered(tmp_path / name)
    table = read_text_table(tmp_path / name)
    assert all(list(row) == table.columns for row in table.rows) or table.problems
