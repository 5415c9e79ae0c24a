import pytest
import yaml

from neurotarget.cli.argv import resumed_argv
from neurotarget.types import DataError


def test_resumed_run_says_again_what_it_was_started_with(tmp_path):
    (tmp_path / "config.yaml").write_text("seed: 1\n")
    (tmp_path / "overrides.yaml").write_text(yaml.safe_dump(["experiment=pituitary", "seed=2"]))
    said = ["experiment=pituitary", f"resume={tmp_path}", "trainer.max_epochs=9"]
    assert resumed_argv(said) == [
        "seed=2",
        "experiment=pituitary",
        "trainer.max_epochs=9",
        f"resume={tmp_path}",
        f"hydra.run.dir={tmp_path}",
    ]


@pytest.mark.parametrize("words", [["seed=2"], ["resume=null", "seed=2"]])
def test_other_runs_are_left_alone(words):
    assert resumed_argv(words) == words


def test_resuming_no_run_is_refused(tmp_path):
    with pytest.raises(DataError, match="wanted a run folder"):
        resumed_argv([f"resume={tmp_path / 'none'}"])
