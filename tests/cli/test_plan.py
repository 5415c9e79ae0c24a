import pytest
import yaml

from neurotarget.cli.plan import as_planned, with_plan
from neurotarget.types import DataError


@pytest.fixture(scope="module")
def planned(tiny, train_words, command):
    """A training that was planned for 20 MB: its folder, and what it printed."""
    folder = tiny / "planned"
    words = ["plan=auto", "plan.memory_gb=0.02", "held_out=false", "trainer.max_epochs=1"]
    kept = [word for word in train_words[1:] if not word.startswith(("model.", "data.batch"))]
    done = command(train_words[0], *kept, *words, f"hydra.run.dir={folder}", cwd=tiny)
    return folder, done.stdout


def test_a_plan_is_told_and_kept_in_the_configuration(planned):
    folder, told = planned
    config = yaml.safe_load((folder / "config.yaml").read_text())
    sides, batch = config["patch_vox"], config["data"]["batch_size"]
    assert f"patch_vox=[{','.join(map(str, sides))}] data.batch_size={batch}" in told
    assert "median 24×24×24 voxels" in told
    assert 16 <= min(sides) <= max(sides) <= 24
    assert batch >= 2
    assert len(config["model"]["widths"]) == len(config["model"]["strides"]) + 1


def test_a_planned_run_leaves_the_held_out_cases_unseen(planned):
    folder, _ = planned
    assert (folder / "cost.json").is_file()
    assert not (folder / "predictions").exists()
    assert not (folder / "summary.json").exists()


def test_a_run_that_goes_on_keeps_its_plan(planned):
    folder, _ = planned
    before = yaml.safe_load((folder / "config.yaml").read_text())
    now = {"model": {"widths": [1, 2], "strides": None}, "data": {"batch_size": 99, "fold": 3}}
    again = as_planned({**now, "patch_vox": "auto"}, folder)
    assert again["patch_vox"] == before["patch_vox"]
    assert again["model"]["widths"] == before["model"]["widths"]
    assert again["data"] == {"batch_size": before["data"]["batch_size"], "fold": 3}


@pytest.mark.parametrize("budget", ["much", 0, -1, True])
def test_a_budget_that_is_no_number_of_gb_is_refused(budget):
    with pytest.raises(DataError, match=r"plan.memory_gb: found .*, wanted a positive number"):
        with_plan({"plan": {"memory_gb": budget}}, (), data=None, target=None)


def test_too_small_a_budget_says_what_is_needed(tiny, train_words, command):
    words = ["plan=auto", "plan.memory_gb=0.001", f"hydra.run.dir={tiny / 'small'}"]
    done = command(train_words[0], *train_words[1:], *words, cwd=tiny, check=False)
    assert done.returncode == 2
    assert "GB, and there are 0.001 GB; choose a smaller model" in done.stderr
    assert "Traceback" not in done.stderr
