import sys
from pathlib import Path

import pytest

from neurotarget.problems import DataError
from neurotarget.tasks.guard import NotFiniteError
from neurotarget.training.first_messages import replayable
from neurotarget.training.training_parts import Start


@pytest.mark.parametrize(
    ("resumed", "command"),
    [
        (
            "python train.py --config-dir=mine resume=runs/a",
            "python train.py --config-dir=mine resume=runs/a replay=7",
        ),
        ("nt.train(resume='runs/a')", "python train.py 'resume=runs/a b' replay=7"),
    ],
)
def test_a_broken_loss_names_the_command_that_shows_its_patches(resumed, command, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ipykernel"])
    start = Start(Path("runs/a b"), [], resumed)
    text = "step 7: found a loss of nan; the patches"
    with pytest.raises(DataError, match=text) as caught, replayable(start):
        raise NotFiniteError("step 7: found a loss of nan", 7)
    assert str(caught.value).endswith(f"in a picture: {command}")


def test_other_errors_are_left_as_they_are():
    with pytest.raises(DataError, match="no such case"), replayable(Start(Path(), [], "x")):
        raise DataError("no such case")
