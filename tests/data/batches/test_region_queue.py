import numpy as np
import pytest
import torch
import torchio as tio

from neurotarget.data.batches.draws import DrawSampler
from neurotarget.data.batches.patches import PatchQueue, Regions, patch_loader
from oracles.prepared import write_case

SIDE, PATCH, CASES, MANY = 20, (4, 4, 1), 3, 5


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Cases whose voxels hold their place, plus a number of the case."""
    folder = tmp_path_factory.mktemp("places")
    place = np.arange(SIDE**3, dtype=np.float32).reshape(1, SIDE, SIDE, SIDE)
    label = np.zeros((SIDE, SIDE, SIDE), np.uint8)
    label[10, 10, 10] = 1
    return [write_case(folder, f"p{n}", place + 10_000 * n, label) for n in range(CASES)]


def regions_of(folders, *, patch=PATCH, many=MANY, augmentation=None, share=1.0):
    return Regions(
        folders,
        patch_vox=patch,
        foreground_share=share,
        margin_share=0.5 if augmentation else 0.0,
        seed=2,
        augmentation=augmentation,
        patches_per_region=many,
    )


def epoch_of(regions, epoch, *, workers=0, length=15):
    queue = PatchQueue(regions, DrawSampler(CASES, 9, seed=2), length=length, workers=workers)
    loader = patch_loader(queue, batch_size=3)
    loader.sampler.set_epoch(epoch)
    torch.manual_seed(epoch)  # the queue shuffles with the random numbers of the whole process
    return list(loader)


def first_voxels(batches):
    return [int(one[0, 0, 0, 0]) for batch in batches for one in batch.image]


def test_several_patches_come_from_one_region(folders):
    batches = epoch_of(regions_of(folders), 0)
    assert len(batches) == 9 * MANY // 3
    names = [name for batch in batches for name in batch.case_ids]
    assert all(names.count(f"p{n}") == 3 * MANY for n in range(CASES))
    for value in first_voxels(batches):
        i, j, k = np.unravel_index(value % 10_000, (SIDE, SIDE, SIDE))
        assert 6 <= i <= 10  # of a region of 8 × 8 × 1 voxels about the label
        assert 6 <= j <= 10
        assert k == 10


def test_patches_are_shuffled_and_each_is_there_once(folders):
    values = first_voxels(epoch_of(regions_of(folders), 0))
    runs = np.array(values).reshape(-1, MANY) // 10_000
    assert any(len(set(run.tolist())) > 1 for run in runs[:3])
    unshuffled = []
    for index in DrawSampler(CASES, 9, seed=2):
        sampler = PatchQueue(
            regions_of(folders), DrawSampler(CASES, 9, seed=2), length=5, workers=0
        ).sampler
        subject = regions_of(folders)[index]
        unshuffled += [int(p["image"].data.flatten()[0]) for p in sampler(subject, MANY)]
    assert sorted(values) == sorted(unshuffled)


@pytest.mark.parametrize("workers", [0, 1])
def test_the_same_seed_gives_the_same_patches(folders, workers):
    augmentation = tio.RandomNoise(std=(1, 2))
    first = epoch_of(regions_of(folders, augmentation=augmentation), 1)
    again = epoch_of(regions_of(folders, augmentation=augmentation), 1, workers=workers)
    assert all(torch.equal(a.image, b.image) for a, b in zip(first, again, strict=True))
    other = epoch_of(regions_of(folders, augmentation=augmentation), 2)
    assert not any(torch.equal(a.image, b.image) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("length", [1, 7, 100])
def test_a_queue_of_any_length_holds_whole_regions(folders, length):
    values = first_voxels(epoch_of(regions_of(folders), 0, length=length))
    assert sorted(values) == sorted(first_voxels(epoch_of(regions_of(folders), 0)))


def test_a_region_is_no_larger_than_a_volume_needs(folders):
    regions = regions_of(folders, patch=(16, 24, 4))
    assert regions[0].spatial_shape == (20, 24, 8)
    assert regions_of(folders, many=1)[0].spatial_shape == PATCH
