import codecs

import pytest

from neurotarget.data.tables.text_table import align_ids, read_text_table

EXCEL = "ID;age;Größe\n1;25,63;1,75\n2;18;1,80\n"
READ = [{"ID": "1", "age": "25.63", "Größe": "1.75"}, {"ID": "2", "age": "18", "Größe": "1.80"}]


@pytest.fixture
def read(tmp_path):
    def read(content, name="t.csv"):
        (tmp_path / name).write_bytes(content)
        return read_text_table(tmp_path / name)

    return read


def test_quoted_separators_stay_in_their_cell(tmp_path):
    (tmp_path / "t.csv").write_text('a,b\n"1,5",x\n\n,\n')
    assert read_text_table(tmp_path / "t.csv").rows == [{"a": "1,5", "b": "x"}]


@pytest.mark.parametrize(
    ("content", "warnings"),
    [
        (EXCEL.encode(), 1),
        (EXCEL.encode("utf-8-sig"), 1),
        (EXCEL.replace("\n", "\r\n").encode("cp1252"), 2),
        (codecs.BOM_UTF16_LE + EXCEL.replace(";", "\t").encode("utf-16-le"), 1),
        (codecs.BOM_UTF16_BE + EXCEL.encode("utf-16-be"), 1),
        (b"sep=;\r\n" + EXCEL.encode(), 1),
    ],
)
def test_exports_of_a_spreadsheet_are_read(read, content, warnings):
    table = read(content)
    assert table.rows == READ
    assert [problem.level for problem in table.problems] == ["warning"] * warnings
    assert "decimal commas in the columns age, Größe" in table.problems[-1].found


@pytest.mark.parametrize(
    "name", ["excel_latin1.csv", "excel_sep.csv", "excel_utf16.txt", "excel_utf8bom.csv"]
)
def test_real_exports_of_a_spreadsheet_are_read(cases_folder, name):
    table = read_text_table(cases_folder / "asegstats" / name)
    assert table.columns == ["ID", "Alter", "age", "sex", "Größe"]
    assert table.rows[0] == {"ID": "1", "Alter": "", "age": "25.63", "sex": "M", "Größe": "1.75"}
    assert {problem.level for problem in table.problems} == {"warning"}


def test_three_digits_after_a_comma_may_be_thousands(read):
    assert read(b"a\tb\n1,234\t1,5\n").rows == [{"a": "1,234", "b": "1.5"}]
    assert read(b"a;b\n1,234;1,5\n").rows == [{"a": "1.234", "b": "1.5"}]


@pytest.mark.parametrize("name", ["id", "case_id", "Subject", "session_id", "pseudonym"])
def test_ids_stay_text(tmp_path, name):
    (tmp_path / "t.tsv").write_text(f"{name}\tage\n1,5\t60,5\n1,6\t61\n")
    table = read_text_table(tmp_path / "t.tsv", ids=("pseudonym",))
    assert table.rows == [{name: "1,5", "age": "60.5"}, {name: "1,6", "age": "61"}]


def test_commas_in_a_column_of_words_stay(read):
    assert read(b"a;b\n1,5;x\ny;z\n").rows == [{"a": "1,5", "b": "x"}, {"a": "y", "b": "z"}]


def test_rows_know_their_line(read):
    table = read(b'sep=,\na,b\n"x\ny",1\n\nz,2\n')
    assert [(row["b"], line) for row, line in zip(table.rows, table.lines, strict=True)] == [
        ("1", 3),
        ("2", 6),
    ]


def test_ids_are_one_with_and_without_their_prefix_and_zeros():
    found = align_ids(["01", "sub-2", "x"], ["sub-01", "002", "y"])
    assert found == {"01": "sub-01", "sub-2": "002"}
    assert align_ids(["1"], ["01", "001"]) == {}
    assert align_ids(["1", "01"], ["001"]) == {}
    assert align_ids(["1", "01"], ["01"]) == {"01": "01"}
