import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

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
        f'resume="{tmp_path}"',
        f'hydra.run.dir="{tmp_path}"',
    ]


@pytest.mark.parametrize("words", [["seed=2"], ["resume=null", "seed=2"]])
def test_other_runs_are_left_alone(words):
    assert resumed_argv(words) == words


@pytest.mark.parametrize("name", ["a (1)", "x=1,2", "Ünï", 'say "so"', "back\\slash"])
def test_folders_of_any_name_can_be_resumed(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "overrides.yaml").write_text("[]")
    parser = OverridesParser.create()
    parsed = parser.parse_overrides(resumed_argv([f"resume={folder}"]))
    assert [one.value() for one in parsed] == [str(folder)] * 2


def test_resuming_no_run_is_refused(tmp_path):
    with pytest.raises(DataError, match="wanted the folder of a run that was started"):
        resumed_argv([f"resume={tmp_path / 'none'}"])
