import pytest
import torch

from neurotarget.cli.breakdowns import breakdowns
from neurotarget.types import CaseError, DataError


@pytest.mark.parametrize(
    ("error", "todo"),
    [
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. "), "data.workers"),
        (RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly"), "data.workers"),
        (MemoryError(), "data.batch_size"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "data.batch_size"),
    ],
)
def test_what_lacks_memory_says_what_to_change_and_how_to_go_on(error, todo):
    wanted = rf"{todo}.*go on with: python train\.py resume=a"
    with pytest.raises(DataError, match=wanted), breakdowns("python train.py resume=a"):
        raise error


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), CaseError("out of memory")])
def test_other_errors_pass(error):
    with pytest.raises(type(error), match=str(error)), breakdowns("again"):
        raise error
