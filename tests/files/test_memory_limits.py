import matplotlib.figure
import pandas as pd
import pytest
import torch

from neurotarget.cli.main import run
from neurotarget.files.memory_limits import breakdowns
from neurotarget.problems import CaseError, DataError
from oracles.balls import TARGET, write_cohort
from oracles.runs import write_run


def no_memory(*args, **kwargs):
    raise MemoryError


@pytest.fixture
def runs(tmp_path):
    for model in ("unet", "resunet"):
        write_run(tmp_path / "runs" / model, model=model, fold=0, seed=1)
    return tmp_path / "runs"


def sentence(capsys, *arguments):
    """What a command prints as its last line when it ends with 2."""
    with pytest.raises(SystemExit, match="2"):
        run(list(map(str, arguments)))
    return capsys.readouterr().err.splitlines()[-1]


def test_a_study_without_memory_names_what_it_reads(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(pd, "read_csv", no_memory)
    rows = f"rows={runs / 'unet'}"
    text = sentence(capsys, "study", rows, f"output={tmp_path / 'out'}")
    assert text.startswith(f"error: {rows}: out of memory (MemoryError); close other programs")


def test_a_study_without_memory_for_its_figures_says_fewer_cases(
    runs, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", no_memory)
    text = sentence(capsys, "study", f"rows={runs / 'unet'}", f"output={tmp_path / 'out'}")
    assert text.startswith(f"error: tables and pictures in {tmp_path / 'out'}: out of memory")
    assert "give fewer cases=" in text


def test_lack_of_memory_leaves_no_run_out_of_a_comparison(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(pd, "read_csv", no_memory)
    text = sentence(capsys, "compare", runs, f"output={tmp_path / 'out'}", "wandb=disabled")
    assert text.startswith(f"error: {runs / 'resunet' / 'rows.csv'}: out of memory")


def test_an_evaluation_without_memory_names_its_table(tmp_path, capsys, monkeypatch):
    manifest = write_cohort(tmp_path, 3)
    (tmp_path / "ball.yaml").write_text(TARGET)
    (tmp_path / "masks").mkdir()
    for number in range(3):
        mask = tmp_path / f"sub-{number:02d}_seg.nii.gz"
        (tmp_path / "masks" / f"sub-{number:02d}.nii.gz").hardlink_to(mask)
    monkeypatch.setattr(pd, "read_csv", no_memory)
    text = sentence(
        capsys,
        "evaluate",
        manifest,
        f"target={tmp_path / 'ball.yaml'}",
        f"predictions={tmp_path / 'masks'}",
        f"rows={tmp_path / 'rows.csv'}",
    )
    assert text.startswith(f"error: {tmp_path / 'rows.csv'}: out of memory (MemoryError); the sc")
    assert (tmp_path / "rows.csv").is_file()


@pytest.mark.parametrize(
    ("error", "todo"),
    [
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "), "data.workers"),
        (RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly"), "data.workers"),
        (MemoryError(), "data.batch_size"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "data.batch_size"),
    ],
)
def test_what_lacks_memory_says_what_to_change_and_how_to_go_on(error, todo):
    wanted = rf"{todo}.*resume with: python train\.py resume=a"
    with pytest.raises(DataError, match=wanted), breakdowns("python train.py resume=a"):
        raise error


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), CaseError("out of memory")])
def test_other_errors_pass(error):
    with pytest.raises(type(error), match=str(error)), breakdowns("again"):
        raise error
