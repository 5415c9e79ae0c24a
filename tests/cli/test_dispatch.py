from pathlib import Path

import pytest
from omegaconf import OmegaConf

from neurotarget.cli.dispatch import JOBS, PREDICT, act
from neurotarget.problems import DataError

ROOT = Path(__file__).resolve().parents[2]


def test_an_unknown_job_is_told_with_those_there_are():
    with pytest.raises(DataError, match="job: found 'qms', wanted one of train, qsm, swi"):
        act(OmegaConf.create({"job": "qms"}))


@pytest.mark.parametrize("place", sorted({*JOBS.values(), PREDICT}))
def test_every_job_is_a_function_of_ours(place):
    module, _, name = place.partition(":")
    text = (ROOT / "src" / Path(*module.split("."))).with_suffix(".py").read_text()
    assert f"\ndef {name}(cfg: DictConfig)" in text
