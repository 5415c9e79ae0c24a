import os
import threading
import time

import pytest
import torch
import torchio as tio
from torch.utils.data import DataLoader, Dataset

from neurotarget.data.augmentation.augment import OwnTransform, read_transforms
from neurotarget.data.batches.batch_cuts import BatchCuts
from neurotarget.data.batches.direct_loader import DirectLoader, direct_seconds, made_ahead
from neurotarget.data.batches.draws import DrawSampler, worker_context
from neurotarget.problems import CaseError
from neurotarget.types import Target
from oracles.prepared import write_cloud

PATCH = (8, 8, 8)
TARGET = Target("toy", ("t1",), {"cold": 1, "warm": 2}, (1, 1, 1), PATCH)
NOISE = {"affine": {"p": 0.5}, "noise": {"p": 0.5}, "ghosting": {"p": 0.3}}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clouds")
    return [write_cloud(folder, number, sides=(16, 16, 16)) for number in range(3)]


def loader_of(folders, *, workers=0, draws=11, augment=NOISE, batch_size=2):
    cuts = BatchCuts(
        folders,
        num_contrasts=1,
        transforms=read_transforms(augment, target=TARGET),
        patch_vox=PATCH,
        foreground_share=0.5,
        margin_share=0.25,
        seed=5,
    )
    sampler = DrawSampler(len(folders), draws, seed=5)
    return DirectLoader(cuts, sampler, batch_size=batch_size, workers=workers)


def epoch_of(loader, epoch):
    loader.sampler.set_epoch(epoch)
    return list(loader)


def batch_threads():
    return [one for one in threading.enumerate() if one.name.startswith("batches")]


def counted(limit=None):
    """A function that counts its calls, and fails in one of them."""
    calls = []

    def make():
        calls.append(threading.current_thread().name)
        if len(calls) == limit:
            raise CaseError("c1: making patch 3 failed")
        return len(calls)

    return make, calls


def waited_for(claim, most_s=5.0):
    end = time.monotonic() + most_s
    while not claim() and time.monotonic() < end:
        time.sleep(0.01)
    return claim()


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_make_the_same_batches_in_the_same_order(folders, workers):
    alone, shared = (epoch_of(loader_of(folders, workers=count), 1) for count in (0, workers))
    assert len(alone) == len(shared) == 5  # 11 draws: the last fills no batch
    for one, other in zip(alone, shared, strict=True):
        assert one.case_ids == other.case_ids
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.labels, other.labels)


class Parent(Dataset):
    """The process that started the one that reads the data set."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return os.getppid()


def test_workers_are_no_forks_of_the_training_process():
    """Forks have the locks of its other threads, which nothing in them releases."""
    how = {"batch_size": None, "num_workers": 1, "multiprocessing_context": worker_context(1)}
    parent = next(iter(DataLoader(Parent(), **how)))
    assert parent != os.getpid()
    assert worker_context(0) is None


def test_epochs_differ_and_repeat_themselves(folders):
    loader = loader_of(folders)
    first, second, again = (epoch_of(loader, epoch) for epoch in (0, 1, 0))
    resumed = epoch_of(loader_of(folders), 1)
    for one, same in (*zip(first, again, strict=True), *zip(second, resumed, strict=True)):
        assert torch.equal(one.image, same.image)
    assert not any(torch.equal(a.image, b.image) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("workers", [0, 1])
def test_the_epoch_counts_that_is_set_before_the_first_batch(workers, folders):
    """A resumed training creates its iterator first, and sets the epoch afterwards."""
    loader = loader_of(folders, workers=workers)
    batches = iter(loader)
    loader.sampler.set_epoch(1)
    first = next(batches)
    assert torch.equal(first.image, epoch_of(loader_of(folders), 1)[0].image)


def test_batches_are_made_in_a_thread_and_a_few_ahead():
    make, calls = counted()
    batches = made_ahead(make, 9, ahead=2)
    assert next(batches) == 1
    assert waited_for(lambda: len(calls) == 3)  # one is taken, two wait
    time.sleep(0.05)
    assert len(calls) == 3
    assert list(batches) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert len(calls) == 9
    assert all(name.startswith("batches") for name in calls)
    assert not batch_threads()


def test_no_thread_is_left_where_the_training_stops_early():
    make, _ = counted()
    batches = made_ahead(make, 1000)
    next(batches)
    assert len(batch_threads()) == 1
    batches.close()
    assert not batch_threads()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_no_thread_is_left_after_an_error_of_the_training(error):
    make, calls = counted()

    def train():
        for _ in made_ahead(make, 1000):
            raise error

    with pytest.raises(error):
        train()
    assert waited_for(lambda: not batch_threads())
    assert len(calls) < 5


def test_an_error_comes_in_place_of_its_batch():
    make, calls = counted(limit=3)
    batches = made_ahead(make, 1000)
    assert [next(batches), next(batches)] == [1, 2]
    with pytest.raises(CaseError, match="c1: making patch 3 failed"):
        next(batches)
    assert not batch_threads()
    assert len(calls) <= 5


def test_a_failing_case_is_named_by_the_thread_and_by_workers(folders, tmp_path):
    for workers in (0, 1):
        loader = loader_of([*folders, tmp_path / "absent"], workers=workers, augment=None)
        with pytest.raises(CaseError, match=r"absent: making patch \d+ failed: \w*Error"):
            epoch_of(loader, 0)
        assert not batch_threads()


def test_the_thread_computes_with_one_thread_and_leaves_the_callers_number():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        batches = made_ahead(torch.get_num_threads, 3)
        assert list(batches) == [1, 1, 1]
        assert torch.get_num_threads() == 2
        later = []
        thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert later == [2]
    finally:
        torch.set_num_threads(before)


def test_own_transforms_draw_in_the_callers_thread(folders):
    names = []

    def own(subject):
        names.append(threading.current_thread().name)
        return tio.RandomNoise(std=(1, 2))(subject)

    augment = {"mine": OwnTransform("mine", own)}
    first, again = (epoch_of(loader_of(folders, augment=augment), 0) for _ in range(2))
    assert set(names) == {threading.main_thread().name}
    assert all(torch.equal(a.image, b.image) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("augment", [None, NOISE])
def test_patches_are_timed_without_data(augment):
    before = torch.get_num_threads()
    seconds = direct_seconds(augment, TARGET, margin_share=0.25, seed=1, batch_size=5)
    assert 0 < seconds < 1
    assert torch.get_num_threads() == before
