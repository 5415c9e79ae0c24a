"""Every configuration composes, and names only parameters that exist."""

import inspect
from collections.abc import Iterator
from functools import cache
from itertools import zip_longest
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.utils import get_object
from omegaconf import OmegaConf

CONF = Path(__file__).parents[1] / "conf"
FILES = sorted(path.relative_to(CONF).as_posix() for path in CONF.rglob("*.yaml"))
EXPERIMENTS = sorted(path.stem for path in CONF.glob("experiment/*.yaml"))
ROOTS = sorted(path.stem for path in CONF.glob("*.yaml"))


def complaints(node: object, where: str = "") -> Iterator[str]:
    """What is wrong with each `_target_` in a tree of plain values."""
    if isinstance(node, dict):
        if (target := node.get("_target_")) not in (None, "???"):
            yield from of_target(node, target, where)
        for key, value in node.items():
            yield from complaints(value, f"{where}.{key}" if where else str(key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from complaints(value, f"{where}[{number}]")


def of_target(node: dict, target: str, where: str) -> Iterator[str]:
    try:
        made = get_object(target)
    except Exception as error:
        yield f"{where}: {target} cannot be imported ({error})"
        return
    parameters = inspect.signature(made).parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return
    hydras = {"_target_", "_partial_", "_args_", "_recursive_", "_convert_"}
    if unknown := set(node) - hydras - {one.name for one in parameters}:
        yield f"{where}: {target} takes no {', '.join(sorted(map(str, unknown)))}"


def composed(name: str, *overrides: str, conf: Path = CONF, resolve: bool = False) -> dict:
    with initialize_config_dir(str(conf), version_base="1.3"):
        return OmegaConf.to_container(compose(name, list(overrides)), resolve=resolve)


@pytest.mark.parametrize("file", FILES)
def test_a_file_names_only_real_parameters(file):
    assert list(complaints(yaml.safe_load((CONF / file).read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize("name", ROOTS)
def test_an_entry_point_composes(name):
    assert list(complaints(composed(name))) == []


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_composes_with_only_real_parameters(name):
    assert list(complaints(composed("train", f"experiment={name}", resolve=True))) == []


@pytest.mark.parametrize(
    "line",
    [
        "experiment=knee model=mrnet",
        "experiment=knee model=efficientnet_lite0",
        "experiment=tumour model=weninger_segmenter ~model.widths",
    ],
)
def test_networks_that_the_text_of_an_experiment_offers_fit_it(line):
    assert list(complaints(composed("train", *line.split(), resolve=True))) == []


@cache
def groups_of(name: str) -> set[str]:
    defaults = yaml.safe_load((CONF / f"{name}.yaml").read_text(encoding="utf-8")).get(
        "defaults", []
    )
    keys = [key for entry in defaults if isinstance(entry, dict) for key in entry]
    return {key.removeprefix("optional ").removeprefix("override ").strip("/") for key in keys}


def choices_of(name: str) -> dict[str, list[str]]:
    """Words for every choice of each group of an entry point, but for experiments."""
    of_group: dict[str, list[str]] = {}
    for file in FILES:
        group, _, choice = file.removesuffix(".yaml").partition("/")
        if choice and "/" not in choice and group != "experiment" and group in groups_of(name):
            of_group.setdefault(group, []).append(f"{group}={choice}")
    return of_group


def rounds() -> list[tuple[str, ...]]:
    """Command lines in which each choice of each group is made once."""
    return [
        (name, *filter(None, words))
        for name in ROOTS
        for words in zip_longest(*choices_of(name).values())
    ]


@pytest.mark.parametrize("line", rounds(), ids=" ".join)
def test_choices_of_groups_compose(line):
    assert composed(*line)


def test_every_group_belongs_to_an_entry_point():
    chosen = {word for line in rounds() for word in line[1:]}
    files = [file.removesuffix(".yaml") for file in FILES if file.count("/") == 1]
    assert {file.replace("/", "=") for file in files if "experiment/" not in file} == chosen


def test_the_main_experiments_are_there():
    assert {"pituitary", "hippocampus"} <= set(EXPERIMENTS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "_target_: torch.optim.AdamW\nlr: 1.0\nwieght_decay: 0.1",
            "torch.optim.AdamW takes no wieght_decay",
        ),
        ("net: {_target_: torch.optim.AdmaW}", "net: torch.optim.AdmaW cannot be imported"),
        (
            "nets: [{_target_: torch.nn.Dropout, p: 0.1}, {_target_: torch.nn.Dropout, q: 0.1}]",
            "nets[1]: torch.nn.Dropout takes no q",
        ),
    ],
)
def test_a_misspelt_key_is_caught(text, expected):
    (complaint,) = complaints(yaml.safe_load(text))
    assert expected in complaint


def test_a_misspelt_key_in_an_experiment_is_caught(tmp_path):
    files = {
        "train.yaml": "defaults: [_self_, {experiment: null}]\nnet: {_target_: torch.nn.Dropout}",
        "experiment/odd.yaml": "# @package _global_\nnet: {pp: 0.1}",
    }
    (tmp_path / "experiment").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (complaint,) = complaints(composed("train", "experiment=odd", conf=tmp_path))
    assert "net: torch.nn.Dropout takes no pp" in complaint
