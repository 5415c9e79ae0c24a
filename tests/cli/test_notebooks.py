"""Every notebook runs on a fresh run folder, and none keeps its outputs."""

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.fixture(scope="module")
def executed(trained):
    """The notebooks by name, run on one run in one kernel, which loads torch once."""
    books = {path.name: nbformat.read(path, as_version=4) for path in NOTEBOOKS}
    whole = nbformat.v4.new_notebook()
    whole.cells = [cell for book in books.values() for cell in book.cells]
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("NEUROTARGET_RUN", str(trained[0]))
        patched.setenv("NEUROTARGET_OUTPUT", str(trained[0].parent / "again"))
        client = NotebookClient(whole, timeout=240, resources={"metadata": {"path": str(FOLDER)}})
        client.execute()
    return books


def text_of(book) -> str:
    """What the cells printed and showed as text."""
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    shown = [
        output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs
    ]
    return "\n".join(shown)


def test_a_run_is_read_with_its_curves_and_masks(executed):
    book = executed["look_at_a_run.ipynb"]
    assert "mean Dice" in text_of(book)
    assert "predicted_mm3" in text_of(book)
    pictures = [
        o
        for cell in book.cells
        for o in cell.get("outputs", [])
        if "image/png" in o.get("data", {})
    ]
    assert len(pictures) >= 4  # curves, the worst case, figures of the study


def test_a_study_is_made_again_with_other_covariates(executed, trained):
    book = executed["study_again.ipynb"]
    assert "rank_of_case" in text_of(book)
    assert (trained[0].parent / "again" / "report.html").is_file()
    assert "estimate" in text_of(book)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_notebook_keeps_its_outputs(path):
    cells = json.loads(path.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)


def test_all_notebooks_are_run_here():
    assert {path.name for path in NOTEBOOKS} == {"look_at_a_run.ipynb", "study_again.ipynb"}
