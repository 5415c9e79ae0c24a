import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from neurotarget.cli.argv import check_launcher, literal, resumed_argv
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


@pytest.mark.parametrize("name", ["model=unet,data.fold=0", "a (1)", "two words", "[x]"])
def test_a_path_that_is_there_is_taken_as_it_is(tmp_path, name):
    (tmp_path / name).mkdir()
    (parsed,) = OverridesParser.create().parse_overrides([literal(f"run={tmp_path / name}")])
    assert parsed.value() == str(tmp_path / name)


@pytest.mark.parametrize("word", ["model=unet,vnet", "seed=1", "-m", "run='a b'", "a=[1,2]"])
def test_words_that_name_no_path_are_left_to_hydra(word):
    assert literal(word) == word


def write_multirun(folder):
    words = ["--config-dir=/mine", "model=a,b", "seed=1,2", "hydra/launcher=joblib"]
    (folder / "multirun.yaml").write_text(yaml.safe_dump({"words": words, "jobs": []}))


@pytest.mark.parametrize("flags", [[], ["-m"], ["--multirun"]])
def test_a_resumed_multirun_says_again_what_it_was_started_with(tmp_path, flags):
    write_multirun(tmp_path)
    assert resumed_argv([*flags, f"resume={tmp_path}", "model=a,b,c"]) == [
        "-m",
        "--config-dir=/mine",
        "seed=1,2",
        "hydra/launcher=joblib",
        "model=a,b,c",
        f'hydra.sweep.dir="{tmp_path}"',
    ]


def test_one_run_cannot_be_resumed_as_several(tmp_path):
    (tmp_path / "overrides.yaml").write_text("[]")
    with pytest.raises(DataError, match=r"wanted that of a multirun beside -m; leave -m out"):
        resumed_argv(["-m", f"resume={tmp_path}"])


def test_a_launcher_that_is_not_installed_says_how_it_is():
    with pytest.raises(DataError, match=r"pip install hydra-ray-launcher, or leave hydra/launcher"):
        check_launcher(["seed=1", "hydra/launcher=ray"])


@pytest.mark.parametrize("word", ["hydra/launcher=basic", "launcher=ray", "hydra/launcher=odd"])
def test_other_launchers_are_left_to_hydra(word):
    check_launcher([word])


def test_resuming_no_run_is_refused(tmp_path):
    with pytest.raises(DataError, match="wanted the folder of a run that was started"):
        resumed_argv([f"resume={tmp_path / 'none'}"])
