import resource
from pathlib import Path

import numpy as np
import pytest
import torch
import torchio as tio

from neurotarget.data.batches.cache import ensure
from neurotarget.data.batches.draws import DrawSampler, cut, most_held, region_of
from neurotarget.data.batches.patches import PatchQueue, Regions, patch_loader
from neurotarget.data.scans.geometry import whole_grid
from neurotarget.problems import CaseError

SIDE = 12


def entry(tmp_path, number):
    """A case whose voxels hold their own flat index plus 10 000 times the case's number."""

    def make(draft):
        image = np.arange(SIDE**3, dtype=np.float32).reshape(1, SIDE, SIDE, SIDE) % 1000
        label = np.zeros((SIDE, SIDE, SIDE), np.uint8)
        label[8, 9, 10] = 1
        np.save(draft / "image.npy", image + 10_000 * number)
        np.save(draft / "label.npy", label)
        np.save(draft / "foreground.npy", np.array([[1, 8, 9, 10]], np.int16))
        grid = whole_grid((SIDE, SIDE, SIDE), np.eye(4), (1, 1, 1))
        return {"case_id": f"c{number}", "grid": grid.as_dict(), "minimum": [-7.0]}

    return ensure(tmp_path / f"c{number}", make)


def regions(tmp_path, *, share=0.5, augmentation=None, margin=0.0, patch=(4, 4, 4), cases=3):
    folders = [entry(tmp_path, number) for number in range(cases)]
    return Regions(
        folders,
        patch_vox=patch,
        foreground_share=share,
        margin_share=margin,
        seed=5,
        augmentation=augmentation,
    )


def epoch_of(data, epoch, *, workers=0, draws=8, seed=5):
    queue = PatchQueue(data, DrawSampler(3, draws, seed=seed), length=4, workers=workers)
    loader = patch_loader(queue, batch_size=2)
    loader.sampler.set_epoch(epoch)
    return list(loader)


def noise():
    return tio.RandomNoise(std=(1, 2))


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_draw_the_same_patches_as_none(tmp_path, workers):
    data = regions(tmp_path, augmentation=noise())
    for one, many in zip(epoch_of(data, 1), epoch_of(data, 1, workers=workers), strict=True):
        assert one.case_ids == many.case_ids
        assert torch.equal(one.image, many.image)


def test_the_workers_of_a_closed_queue_are_over(tmp_path):
    queue = PatchQueue(regions(tmp_path), DrawSampler(3, 8, seed=5), length=4, workers=1)
    first = queue[0]
    (worker,) = queue.subjects_iterable._workers
    assert worker.is_alive()
    queue.close()
    assert not worker.is_alive()
    queue.set_epoch(0)  # and it may be used again
    assert torch.equal(queue[0]["image"].data, first["image"].data)
    queue.close()


def test_epochs_draw_different_patches_and_repeat_themselves(tmp_path):
    data = regions(tmp_path, augmentation=noise())
    first, again, second = epoch_of(data, 0), epoch_of(data, 0), epoch_of(data, 1)
    assert all(torch.equal(a.image, b.image) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a.image, b.image) for a, b in zip(first, second, strict=True))


def test_many_cases_leave_few_files_open(tmp_path, monkeypatch):
    most = 6
    monkeypatch.setattr("neurotarget.data.batches.draws.most_held", lambda: most)
    data, few = regions(tmp_path), most + 5
    data.folders = [data.folders[number % 3] for number in range(4 * most)]
    before = len(list(Path("/proc/self/fd").iterdir()))
    first = [data[number] for number in range(few)]
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2 * most
    for old, new in zip(first, [data[number] for number in range(few)], strict=True):
        assert torch.equal(old["image"].data, new["image"].data)


def test_open_files_keep_to_what_the_system_allows():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        for allowed, held in ((256, 32), (1024, 128), (65536, 512)):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(allowed, hard), hard))
            assert most_held() <= held
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        assert most_held() == 32
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_one_place_is_never_augmented_twice_alike(tmp_path):
    data = regions(tmp_path, share=1.0, augmentation=noise(), cases=1)
    patches = [data[draw]["image"].data for draw in range(6)]
    assert len({float(patch.sum()) for patch in patches}) == 6


def test_augmentation_leaves_the_callers_random_numbers_alone(tmp_path):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    regions(tmp_path, augmentation=noise())[4]
    assert torch.equal(torch.rand(1), expected)


def test_foreground_patches_hold_the_label(tmp_path):
    data = regions(tmp_path, share=1.0)
    assert all(int(data[draw]["label"].data.sum()) == 1 for draw in range(20))


def test_cases_come_equally_often():
    sampler = DrawSampler(3, 9, seed=1)
    assert sorted(index % 3 for index in sampler) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_ranks_share_out_the_draws():
    whole = list(DrawSampler(4, 8, seed=1))
    ranks = [list(DrawSampler(4, 8, seed=1, rank=rank, ranks=2)) for rank in (0, 1)]
    assert sorted(ranks[0] + ranks[1]) == sorted(whole)


def test_patch_larger_than_the_volume_is_padded_evenly(tmp_path):
    patch = regions(tmp_path, patch=(16, 4, 16))[0]
    assert patch["image"].spatial_shape == (16, 4, 16)
    outside = np.ones((16, 4, 16), bool)
    outside[2:14, :, 2:14] = False
    assert (patch["image"].data[0].numpy()[outside] == -7).all()  # the whole volume's minimum
    inside = patch["image"].data[0].numpy()[~outside]
    assert inside.min() >= 0


def test_beyond_the_edge_stands_one_value_a_channel():
    low, sides = np.array([-1, 0, -1]), np.array([4, 2, 4])
    box = cut(np.ones((2, 2, 2, 2), np.float16), low, sides, fill=[0.5, -3])
    assert box.dtype == np.float32
    assert box[:, 0, 0, 0].tolist() == [0.5, -3]
    assert box.sum(axis=(1, 2, 3)).tolist() == [8 + 24 * 0.5, 8 - 24 * 3]
    label = cut(np.ones((1, 2, 2, 2), np.uint8), np.array([-1, 0, -1]), np.array([4, 2, 4]))
    assert label.sum() == 8


def test_margin_gives_rotations_something_to_find(tmp_path):
    data = regions(tmp_path, share=1.0, margin=0.5)
    assert tuple(data.region_vox) == (6, 6, 6)
    assert data[0]["image"].spatial_shape == (4, 4, 4)
    assert float(data[0]["label"].data[0, 2, 2, 2]) == 1  # the centre voxel stays the centre


def test_what_a_net_without_padding_scores_lies_in_the_volume(tmp_path):
    folders = [entry(tmp_path, 0)]
    data = Regions(
        folders,
        patch_vox=(SIDE, SIDE, SIDE),
        foreground_share=0.0,
        margin_share=0.0,
        seed=5,
        margin_vox=SIDE // 2 - 1,
    )  # two voxels a side are scored, and any two of the volume may be
    lows = set()
    for draw in range(60):
        image = data[draw]["image"].data[0]
        middle = image[SIDE // 2 - 1 : SIDE // 2 + 1, SIDE // 2 - 1 : SIDE // 2 + 1, SIDE // 2]
        assert (middle != -7).all()  # -7 is what lies outside
        lows.add(bool((image == -7).any()))
    assert lows == {True}  # and the margins reach beyond it


class Fail(tio.Transform):
    def apply_transform(self, subject):  # noqa: ARG002
        raise ValueError("no such coil,\n  or it is broken")


@pytest.mark.parametrize("workers", [0, 1])
def test_failing_worker_names_its_case_and_its_own_error(tmp_path, workers):
    data = regions(tmp_path, augmentation=Fail())
    line = r"c\d: making patch \d+ failed: ValueError: no such coil, or it is broken"
    with pytest.raises(CaseError, match=line):
        epoch_of(data, 0, workers=workers)


def test_no_patch_is_centred_on_an_ignored_voxel(tmp_path):
    data = regions(tmp_path, share=0.0, patch=(1, 1, 1), cases=1)
    folder = data.folders[0]
    label = np.full((SIDE, SIDE, SIDE), 2, np.uint8)
    label[:, 3, :] = 0
    np.save(folder / "label.npy", label)
    data.ignored_class = 2
    assert {int(data[draw]["label"].data) for draw in range(20)} == {0}
    data.ignored_class = None
    assert 2 in {int(data[draw]["label"].data) for draw in range(20)}


def test_the_region_around_a_slice_is_one_slice():
    assert region_of((64, 64, 1), 0.25).tolist() == [80, 80, 1]
