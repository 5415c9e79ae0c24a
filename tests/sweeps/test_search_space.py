from pathlib import Path

import optuna
import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FixedTrial

from neurotarget.cli.configs.overrides import check_overrides
from neurotarget.problems import DataError
from neurotarget.sweeps.search_space import Dimension, read_space

CONF = {
    "train.yaml": "defaults: [_self_, {model: unet}]\nseed: 1\noptimizer: {lr: 0.1}",
    "model/unet.yaml": "widths: [16, 32]",
    "model/segresnet.yaml": "filters: 8",
}


@pytest.fixture
def conf(tmp_path) -> Path:
    for name, text in CONF.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def read(conf):
    with initialize_config_dir(str(conf), version_base="1.3"):
        yield lambda *arguments: read_space(arguments, GlobalHydra.instance().config_loader())


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("optimizer.lr=interval(0.1, 0.5)", FloatDistribution(0.1, 0.5)),
        ("optimizer.lr=interval(1, 5)", FloatDistribution(1.0, 5.0)),
        ("optimizer.lr=tag(log, interval(1e-4, 1e-2))", FloatDistribution(1e-4, 1e-2, log=True)),
        ("seed=int(interval(1, 9))", IntDistribution(1, 9)),
        ("seed=tag(log, int(interval(1, 64)))", IntDistribution(1, 64, log=True)),
        ("seed=range(1, 5)", IntDistribution(1, 4)),
        ("seed=range(2, 9, 3)", IntDistribution(2, 8, step=3)),
        ("seed=range(5, 1, -1)", IntDistribution(2, 5)),
        ("seed=tag(log, range(1, 9))", IntDistribution(1, 8, log=True)),
        ("optimizer.lr=range(0.1, 0.4, 0.1)", FloatDistribution(0.1, 0.3, step=0.1)),
        ("seed=range(1, 2)", CategoricalDistribution(("1",))),
        ("model=unet,segresnet", CategoricalDistribution(("unet", "segresnet"))),
        ("model=choice(unet,segresnet)", CategoricalDistribution(("unet", "segresnet"))),
        ("model=glob(*)", CategoricalDistribution(("segresnet", "unet"))),
        ("seed=1,2,1", CategoricalDistribution(("1", "2"))),
        ("widths=[1,2],[3]", CategoricalDistribution(("[1,2]", "[3]"))),
        ("name='a b',null", CategoricalDistribution(("'a b'", "null"))),
    ],
)
def test_what_hydra_sweeps_over_becomes_what_optuna_draws_from(read, word, expected):
    fixed, (dimension,) = read(word)
    assert fixed == []
    first = expected.choices[0] if hasattr(expected, "choices") else expected.low
    trial = FixedTrial({dimension.key: first})
    assert dimension.suggest(trial) == f"{dimension.key}={first}"
    assert trial.distributions == {dimension.key: expected}
    assert dimension.text == word


def test_words_of_one_value_stay_as_they_are(read):
    arguments = ["experiment=x", "~seed", "+a.b='c d'", "widths=[1,2]"]
    fixed, space = read(*arguments, "+a.c=1,2")
    assert fixed == arguments
    assert [one.key for one in space] == ["+a.c"]


def test_the_later_word_of_a_key_counts(read):
    assert read("seed=1,2", "seed=3") == (["seed=3"], ())
    assert [one.choices for one in read("seed=3", "seed=4,5")[1]] == [("4", "5")]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("optimizer.lr=interval(1, 0.1)", "found 1 up to 0.1, wanted the lower end first"),
        ("optimizer.lr=interval(1, 1)", "found 1 up to 1, wanted the lower end first"),
        ("optimizer.lr=tag(log, interval(0, 1))", "found 0 as the lower end of a logarithmic"),
        ("seed=tag(log, range(0, 3))", "found 0 as the lower end of a logarithmic scale"),
        ("optimizer.lr=interval(0, inf)", "found an end that is not a finite number"),
        ("optimizer.lr=tag(lgo, interval(1, 2))", "found the tag lgo, wanted log"),
        ("seed=tag(log, choice(1, 2))", "found a logarithmic scale over named values"),
        ("seed=tag(log, range(1, 9, 2))", "found steps on a logarithmic scale"),
        ("seed=range(5, 1)", "found no number from 5 before 1 in steps of 1"),
        ("model=glob(x*)", "found no choice of that name; see the files in conf/model"),
        ("sweep.trials=1,2", "found several values for a setting of the search itself"),
        ("seed=choice(", "the values to search cannot be read"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_sentence(read, word, message):
    with pytest.raises(DataError) as error:
        read(word)
    assert str(error.value).startswith(word)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "word",
    [
        "optimizer.lr=tag(log, interval(1e-4, 1e-2))",
        "seed=int(interval(1, 9))",
        "optimizer.lr=range(0.1, 0.4, 0.1)",
        "model=unet,segresnet",
        "name='a b','c=d'",
    ],
)
def test_what_is_drawn_can_be_read_again_as_it_was(read, word):
    _, (dimension,) = read(word)
    study = optuna.create_study()
    for _ in range(5):
        trial = study.ask()
        (result,), _ = read(dimension.suggest(trial))
        assert dimension.suggest(trial) == result
        key, _, value = result.partition("=")
        drawn = trial.params[key]
        assert (value if dimension.choices else float(value)) == drawn


def test_first_values_show_whether_a_setting_is_there():
    assert Dimension("model", "", ("unet", "vnet")).first_values == ("model=unet", "model=vnet")
    assert Dimension("lr", "", (), 0.1, 0.5).first_values == ("lr=0.1",)
    assert Dimension("seed", "", (), 2.0, 5.0, is_whole=True).first_values == ("seed=2",)


@pytest.mark.parametrize(
    "word",
    [
        "optimizer.lrr=interval(0.1, 1)",
        "optimizer.lrr='tag(log, interval(1e-4, 1e-2))'",
        "optimizer.lrr=int(interval(1, 9))",
        "optimizer.lrr=range(1, 9)",
        "optimizer.lrr=1,2",
    ],
)
def test_a_search_over_an_unknown_key_is_refused_before_hydra_starts(conf, word):
    with pytest.raises(DataError, match=r"optimizer\.lrr: no such key; did you mean optimizer\.lr"):
        check_overrides(["-m", word.replace("'", "")], conf, "train")


def test_a_search_over_known_keys_passes_before_hydra_starts(conf):
    arguments = ["optimizer.lr=tag(log, interval(1e-4, 1e-2))", "model=unet,segresnet"]
    check_overrides(["-m", *arguments, "seed=int(interval(1,9))"], conf, "train")
