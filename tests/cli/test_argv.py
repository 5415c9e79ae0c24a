import shlex
import sys
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser

from neurotarget.cli.arguments import expanded
from neurotarget.cli.argv import check_argv, check_launcher, fuses, literal, resumed_argv
from neurotarget.problems import DataError
from neurotarget.runs.folder.multirun import resume_command_of

CONF = Path(__file__).parents[2] / "conf"


def test_resumed_run_says_again_what_it_was_started_with(tmp_path):
    (tmp_path / "config.yaml").write_text("seed: 1\n")
    (tmp_path / "overrides.yaml").write_text(yaml.safe_dump(["experiment=pituitary", "seed=2"]))
    result = ["experiment=pituitary", f"resume={tmp_path}", "trainer.max_epochs=9"]
    assert resumed_argv(result) == [
        "seed=2",
        "experiment=pituitary",
        "trainer.max_epochs=9",
        f'resume="{tmp_path}"',
        f'hydra.run.dir="{tmp_path}"',
    ]


@pytest.mark.parametrize("arguments", [["seed=2"], ["resume=null", "seed=2"]])
def test_other_runs_are_left_alone(arguments):
    assert resumed_argv(arguments) == arguments


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


ODD = [
    "Müller",
    "头部",
    "a#b",
    "a & b",
    "O'Brien",
    "a;b",
    "a!b",
    "~a",
    "a$b",
    "a[1]{2}(3)",
    "a,b",
    "a=b",
    ' "a" ',
    "a\\'b",
    "x: y",
    "1_000",
    "1e3",
    "true",
]


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("key", ["input", "data.root", "paths.runs", "hydra.run.dir"])
def test_a_path_of_any_name_is_read_as_it_was_typed(key, is_there, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ODD:
        if is_there:
            (tmp_path / name).mkdir()
        (parsed,) = OverridesParser.create().parse_overrides([literal(f"{key}={name}")])
        assert not parsed.is_sweep_override()
        assert parsed.value() == name


@pytest.mark.parametrize("name", ODD)
def test_advice_can_be_pasted_into_a_shell(name, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "overrides.yaml").write_text(yaml.safe_dump([f"data.root={name}"]))
    python, script, *argv = shlex.split(resume_command_of(folder))
    assert (python, script) == ("python", "train.py")
    arguments = resumed_argv([literal(word) for word in argv])
    parsed = OverridesParser.create().parse_overrides(arguments[1:])
    assert [one.value() for one in parsed] == [str(folder)] * 2


def test_home_is_found_behind_a_dotted_key_too(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert literal("data.root=~/scans") == f"data.root={tmp_path}/scans"
    assert literal("--config-dir=~/conf") == f"--config-dir={tmp_path}/conf"
    (tmp_path / "~").mkdir()
    assert expanded("~") == "~"


@pytest.mark.parametrize("word", ["pretrained=null", "hydra.run.dir=${paths.runs}/a", "input="])
def test_what_hydra_knows_is_left_to_it(word):
    assert literal(word) == word


def test_a_dollar_and_a_brace_of_a_path_that_is_there_are_letters(tmp_path):
    (tmp_path / "${x}").mkdir()
    (tmp_path / "c.yaml").write_text("root: null")
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        word = literal(f"data.root={tmp_path}/${{x}}").removeprefix("data.")
        assert compose("c", [word]).root == f"{tmp_path}/${{x}}"


def values(word):
    (parsed,) = OverridesParser.create().parse_overrides([word])
    if not parsed.is_sweep_override():
        return parsed.value()
    return [value.strip('"') for value in parsed.sweep_string_iterator()]


def test_commas_part_runs_in_a_list_and_paths_in_a_sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model=unet,seed=1").mkdir()
    several = ["model=unet,seed=1", "Müller"]
    assert values(literal(f"run=[{','.join(several)}]")) == several
    assert values(literal(f"data.root={','.join(several)}", is_sweep=True)) == several
    assert values(literal("pretrained=null,a#b", is_sweep=True)) == ["null", "a#b"]
    assert values(literal("data.root=choice(a,b)", is_sweep=True)) == ["a", "b"]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("name=Müller & Söhne", "Müller & Söhne"),
        ("name=O'Brien", "O'Brien"),
        ("logger.tags=[头部,b]", ["头部", "b"]),
        ("data.external={site: [Zürich, Bern]}", {"site": ["Zürich", "Bern"]}),
        ("name=a,Ö", ["a", "Ö"]),
    ],
)
def test_names_with_letters_that_hydra_lacks_are_read(word, value):
    assert values(literal(word)) == value


@pytest.mark.parametrize("word", ["model=unet,vnet", "seed=1", "-m", "run='a b'", "a=[1,2]"])
def test_words_that_name_no_path_are_left_to_hydra(word):
    assert literal(word) == word


def write_multirun(folder):
    arguments = ["--config-dir=/mine", "model=a,b", "seed=1,2", "hydra/launcher=joblib"]
    (folder / "multirun.yaml").write_text(yaml.safe_dump({"words": arguments, "jobs": []}))


@pytest.mark.parametrize("flags", [[], ["-m"], ["--multirun"]])
def test_a_resumed_multirun_says_again_what_it_was_started_with(tmp_path, flags):
    write_multirun(tmp_path)
    own = "--config-dir=/mine"
    assert resumed_argv([own, *flags, f"resume={tmp_path}", "model=a,b,c"]) == [
        "-m",
        own,
        "seed=1,2",
        "hydra/launcher=joblib",
        "model=a,b,c",
        f'hydra.sweep.dir="{tmp_path}"',
    ]


def test_one_run_cannot_be_resumed_as_several(tmp_path):
    (tmp_path / "overrides.yaml").write_text("[]")
    with pytest.raises(DataError, match=r"wanted that of a multirun with -m; leave -m out"):
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


def test_a_refused_setting_that_a_run_has_recorded_names_its_file(tmp_path, monkeypatch, capsys):
    record = ["target=pituitary", "data.root=a", "seed=x", "optimizer.lr=-1"]
    (tmp_path / "overrides.yaml").write_text(yaml.safe_dump(record))
    typed = ["train.py", f"resume={tmp_path}", "data.fold=y", "optimizer.lr=-2"]
    monkeypatch.setattr(sys, "argv", typed)
    with pytest.raises(SystemExit, match="2"):
        check_argv(CONF, "train")
    lines = sorted(line.removeprefix("error: ") for line in capsys.readouterr().err.splitlines())
    assert len(lines) == 3
    assert lines[0].startswith(f"{tmp_path / 'overrides.yaml'}: seed: found 'x', wanted")
    assert [line.split(":")[0] for line in lines[1:]] == ["data.fold", "optimizer.lr"]


def test_an_experiment_that_fuses_is_a_multirun_of_its_own_accord(monkeypatch):
    assert fuses(["experiment=knee"], CONF)
    assert not fuses(["experiment=knee", "fuse=false"], CONF)
    assert not fuses(["experiment=knee", "resume=runs/knee/latest"], CONF)
    assert not fuses(["experiment=knee", "dry_run=true"], CONF)
    assert not fuses(["experiment=knee", "sweep=optuna"], CONF)
    assert not fuses(["experiment=adrenal"], CONF)
    assert not fuses(["experiment=../train"], CONF)
    assert not fuses([], CONF)
    monkeypatch.setenv("NEUROTARGET_JOB", "runs/knee/0")
    assert not fuses(["experiment=knee"], CONF)
