from concurrent.futures import ThreadPoolExecutor

import pytest

from neurotarget.inference.ledger import CaseResult, Ledger, volume_form


def outcome(case_id, volume=8.0, note=""):
    return CaseResult(case_id, "done", {"a": volume, "b": 0.5}, note, "hash")


def test_a_line_comes_back_as_it_was_written(tmp_path):
    odd = outcome("c0", note="a: 2 pieces; 'quoted' \"twice\"\tand a tab")
    seen = odd._replace(note=odd.note.replace("\t", "\\t"))
    failed = CaseResult("c1", "failed", {}, "no such file", "hash")
    for line in (odd, failed):
        Ledger(tmp_path, volume_form(["a", "b"])).record(line)
    assert Ledger(tmp_path, volume_form(["a", "b"])).finished() == {"c0": seen}
    lines = (tmp_path / "volumes.tsv").read_text().splitlines()
    assert lines[0] == "case_id\tstatus\ta_mm3\tb_mm3\ttotal_mm3\tnote\tmade_from"
    assert lines[2] == "c1\tfailed\tn/a\tn/a\tn/a\tno such file\thash"


def test_many_writers_lose_no_line(tmp_path):
    ledgers = [Ledger(tmp_path, volume_form(["a", "b"])) for _ in range(4)]

    def write(number):
        ledgers[number % 4].record(outcome(f"c{number:02}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(40)))
    assert sorted(ledgers[0].finished()) == [f"c{number:02}" for number in range(40)]


def test_forgotten_cases_leave_the_others(tmp_path):
    ledger = Ledger(tmp_path, volume_form(["a", "b"]))
    for number in range(3):
        ledger.record(outcome(f"c{number}"))
    ledger.forget(["c1", "c9"])
    assert list(ledger.finished()) == ["c0", "c2"]


@pytest.mark.parametrize("line", ["c1\tdone\t8.0", "c1\tdone\tn/a\t1.0\t9.0\t\thash", "c1"])
def test_a_broken_line_is_no_finished_case(tmp_path, line):
    ledger = Ledger(tmp_path, volume_form(["a", "b"]))
    ledger.record(outcome("c0"))
    with ledger.path.open("a") as stream:
        stream.write(line + "\n")
    assert list(ledger.finished()) == ["c0"]


def test_a_table_of_other_labels_is_begun_anew(tmp_path):
    Ledger(tmp_path, volume_form(["a", "b"])).record(outcome("c0"))
    assert Ledger(tmp_path, volume_form(["a"])).finished() == {}
