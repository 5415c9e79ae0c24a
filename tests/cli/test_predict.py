import pytest
import torch
from omegaconf import OmegaConf

from neurotarget.cli.predict import predict, usable_device
from neurotarget.types import DataError


@pytest.mark.parametrize("asked", ["cude", "cuda:99", "meta", 0, None])
def test_a_device_that_is_not_there_is_told_those_that_are(asked):
    with pytest.raises(DataError, match=rf"device: found {asked}, wanted auto or one of cpu"):
        usable_device(asked)


def test_the_device_is_a_gpu_where_there_is_one():
    assert usable_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert usable_device("cpu") == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without GPU")
def test_a_gpu_that_is_not_there_is_one_sentence():
    with pytest.raises(DataError, match="device: found cuda, wanted auto or one of cpu"):
        usable_device("cuda")


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ({"overwrite": "flase"}, "overwrite: found flase, wanted true or false"),
        ({"probabilities": "yse"}, "probabilities: found yse, wanted true or false"),
        ({"threads": "two"}, "threads: found two, wanted null or a whole number from 1"),
        ({"threads": 0}, "threads: found 0, wanted null or a whole number from 1"),
    ],
)
def test_settings_of_another_type_are_one_sentence(word, told, capsys):
    words = {"run": "r", "input": "i", "output": "o", "threads": None}
    words |= {"overwrite": False, "probabilities": False}
    with pytest.raises(SystemExit, match="2"):
        predict(OmegaConf.create(words | word))
    assert capsys.readouterr().err == f"error: {told}\n"
