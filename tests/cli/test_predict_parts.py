"""The array of jobs on the page of the cluster: parts of a table, predicted into one folder."""

import csv
import re
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cluster.md"
PARTS = 2


def block_with(text: str) -> str:
    """The shell commands of the page that contain a text."""
    blocks = re.findall(r"^```(?:bash)?\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    (block,) = [one for one in blocks if text in one]
    return block


def words_of(line: str) -> list[str]:
    """Arguments of the prediction in a block."""
    return line[line.index("neurotarget predict ") :].split()[2:]


def lines_of(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter=delimiter))


@pytest.fixture(scope="module")
def table(tiny, tmp_path_factory) -> Path:
    """Four cases of the tiny cohort as comma-separated text, with whole paths."""
    lines = lines_of(tiny / "data" / "manifest.tsv", "\t")[:4]
    path = tmp_path_factory.mktemp("array") / "cases.csv"
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, lines[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(line | {"t1": tiny / "data" / line["t1"], "label": ""} for line in lines)
    return path


@pytest.fixture(scope="module")
def parts(table) -> list[Path]:
    text = block_with("awk ").replace("parts=8", f"parts={PARTS}")
    subprocess.run(["sh", "-c", text], cwd=table.parent, check=True)
    return [table.with_name(f"part_{number}.csv") for number in range(PARTS)]


def test_each_case_is_in_one_part(table, parts):
    cases = [[line["case_id"] for line in lines_of(part)] for part in parts]
    assert [len(one) for one in cases] == [2, 2]
    assert sorted([*cases[0], *cases[1]]) == [line["case_id"] for line in lines_of(table)]


def test_the_whole_table_closes_the_gaps_of_the_array_and_keeps_the_rest(
    trained, command, table, parts
):
    job, whole = block_with("--array="), block_with("input=cases.csv")
    assert "$SLURM_ARRAY_TASK_ID" in job
    run = f"run={trained[0]}"
    given = [word.replace("$SLURM_ARRAY_TASK_ID", "1") for word in words_of(job)]
    command("predict.py", run, *given[1:], cwd=table.parent)  # and job 0 was killed
    masks = table.parent / "masks"
    before = {path.name: path.stat().st_mtime_ns for path in masks.glob("*.nii.gz")}
    assert len(before) == 2
    command("predict.py", run, *words_of(whole)[1:], cwd=table.parent)
    after = {path.name: path.stat().st_mtime_ns for path in masks.glob("*.nii.gz")}
    assert len(after) == 4
    assert {name: after[name] for name in before} == before
    volumes = lines_of(masks / "volumes.tsv", "\t")
    assert {line["case_id"]: line["status"] for line in volumes} == {
        line["case_id"]: "done" for line in lines_of(table)
    }
    page = (masks / "qc.html").read_text()
    assert [line["case_id"] for line in lines_of(table) if line["case_id"] not in page] == []
