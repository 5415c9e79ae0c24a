from dataclasses import replace

import numpy as np
import pytest
import torch
import torchio as tio

from neurotarget.data.augmentation.augment import OwnTransform, build_augmentation, read_transforms
from neurotarget.data.batches.batch_cuts import BatchCuts, CutBatch
from neurotarget.data.batches.draws import DrawSampler
from neurotarget.data.batches.patches import Regions, to_batch
from neurotarget.data.batches.target_boxes import Box, Boxes
from neurotarget.problems import CaseError
from neurotarget.types import Target
from oracles.prepared import write_case, write_cloud

PATCH, CASES = (12, 14, 10), 4
TARGET = Target(
    "toy", ("t1",), {"left": 1, "right": 2}, (1, 1, 1), PATCH, pairs=(("left", "right"),)
)
ALL = {
    "affine": {"p": 0.5, "degrees": 15.0},
    "elastic": {"p": 0.3, "spacing_mm": 6.0, "displacement_mm": 1.5},
    "flip": {"p": 0.5},
    "bias_field": {"p": 0.3},
    "motion": {"p": 0.2, "degrees": 5.0, "translation": 3.0, "num_transforms": 2},
    "ghosting": {"p": 0.2, "num_ghosts": [2, 6], "intensity": [0.2, 0.6]},
    "low_resolution": {"p": 0.2, "downsampling": [1.5, 3.0]},
    "blur": {"p": 0.2, "std": [0.3, 1.0]},
    "noise": {"p": 0.3, "std": [0.0, 0.1]},
    "gamma": {"p": 0.3, "log_gamma": 0.3},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clouds")
    return [write_cloud(folder, number) for number in range(CASES)]


def settings_of(**changes):
    return {
        "patch_vox": PATCH,
        "foreground_share": 0.5,
        "margin_share": 0.25,
        "seed": 3,
        "ignored_class": TARGET.ignored_class,
    } | changes


def cuts_of(folders, augment=None, *, contrasts=1, target=TARGET, is_finished=True, **changes):
    target = replace(target, patch_vox=changes.get("patch_vox", PATCH))
    return BatchCuts(
        folders,
        num_contrasts=contrasts,
        transforms=read_transforms(augment, target=target),
        is_finished=is_finished,
        **settings_of(**changes),
    )


def regions_of(folders, augment=None, **changes):
    augmentation = build_augmentation(augment, target=TARGET) if augment else None
    return Regions(folders, augmentation=augmentation, **settings_of(**changes))


def numbers(count, cases=CASES):
    return list(DrawSampler(cases, count, seed=3))


BOXES = Boxes(
    margin_mm=1.0,
    least_mm=(16.0, 16.0, 14.0),
    of_masks={f"cloud{number}": Box((14.0, 15.0, 12.0), (9.0, 9.0, 9.0)) for number in range(3)},
    located={},
    errors_mm=((1.0, -2.0, 0.5, 1.0, 0.0, 2.0), (0.0, 1.0, 2.0, -1.0, 1.0, 0.0)),
)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"foreground_share": 1.0},
        {"margin_vox": 3},
        {"boxes": BOXES},
        {"patch_vox": (40, 8, 30)},
        {"patch_vox": (12, 14, 1)},
        {"ignored_class": 2},
        {"outcomes": {f"cloud{number}": np.array([number, np.nan]) for number in range(CASES)}},
    ],
)
def test_voxels_are_those_of_the_queue(folders, changes):
    indices = numbers(12)
    expected = to_batch([regions_of(folders, **changes)[index] for index in indices])
    made = cuts_of(folders, **changes)[indices]
    assert torch.equal(made.image, expected.image)
    assert made.case_ids == expected.case_ids
    if expected.outcomes is None:
        assert torch.equal(made.labels, expected.labels)
        assert made.labels.dtype == torch.int64
    else:
        assert made.labels is None
        torch.testing.assert_close(made.outcomes, expected.outcomes, equal_nan=True)


@pytest.mark.parametrize("margin_share", [0.25, 0.0])
def test_a_patch_does_not_depend_on_its_batch(folders, margin_share):
    cuts, indices = cuts_of(folders, ALL, margin_share=margin_share), numbers(24)
    whole = cuts[indices]
    for size in (1, 5):
        parts = [cuts[indices[first : first + size]] for first in range(0, 24, size)]
        image = torch.cat([part.image for part in parts])
        torch.testing.assert_close(image, whole.image, atol=1e-4, rtol=0)
        assert torch.equal(torch.cat([part.labels for part in parts]), whole.labels)
    again = cuts_of(folders, ALL, margin_share=margin_share)[indices]
    assert torch.equal(again.image, whole.image)


def test_a_batch_may_be_finished_later(folders):
    indices = numbers(16)
    now, later = cuts_of(folders, ALL), cuts_of(folders, ALL, is_finished=False)
    cut = later[indices]
    assert isinstance(cut, CutBatch)
    torch.testing.assert_close(later.finish(cut).image, now[indices].image, atol=0, rtol=0)


def test_augmentation_leaves_the_callers_random_numbers_alone(folders):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    assert cuts_of(folders, ALL)[numbers(8)].image.isfinite().all()
    assert torch.equal(torch.rand(1), expected)


def test_labels_move_with_the_image(tmp_path):
    label = np.zeros((30, 30, 30), np.uint8)
    label[6:20, 8:24, 10:16] = 1
    folder = write_case(tmp_path, "block", label[None].astype(np.float32), label)
    moves = {name: {**ALL[name], "p": 1.0} for name in ("affine", "elastic", "flip")}
    target = replace(TARGET, labels={"block": 1}, pairs=())
    made = cuts_of([folder], moves, target=target, foreground_share=1.0)[numbers(12, cases=1)]
    difference = (made.image[:, 0] > 0.5) != (made.labels == 1)
    assert float(difference.float().mean()) < 0.02
    assert 0.05 < float((made.labels == 1).float().mean()) < 0.95


def test_a_mirror_exchanges_pairs(folders):
    settings = {"flip": {"p": 1.0}}
    plain, mirrored = (cuts_of(folders, augment)[numbers(4)] for augment in (None, settings))
    assert torch.equal(mirrored.image, plain.image.flip(2))
    flipped = plain.labels.flip(1)
    assert torch.equal(mirrored.labels == 1, flipped == 2)
    assert torch.equal(mirrored.labels == 2, flipped == 1)


def test_class_numbers_above_a_byte_are_kept(tmp_path):
    label = np.full((20, 20, 20), 700, np.uint16)
    folder = write_case(tmp_path, "many", np.zeros((1, 20, 20, 20), np.float32), label)
    moves = {"affine": {"p": 0.5}}
    labels = cuts_of([folder], moves)[numbers(6, cases=1)].labels
    assert set(labels.unique().tolist()) <= {0, 700}  # 0 outside of the volume
    assert (labels == 700).float().mean() > 0.8


def brighter(subject):
    subject["image"].set_data(subject["image"].data + 100)
    return subject


@pytest.mark.parametrize("margin_share", [0.25, 0.0])
def test_an_own_transform_sees_the_region_last(folders, margin_share):
    seen = []

    def own(subject):
        seen.append(subject.spatial_shape)
        return brighter(subject)

    augment = ALL | {"mine": OwnTransform("mine", own, p=0.5)}
    cuts = cuts_of(folders, augment, margin_share=margin_share)
    changed = cuts[numbers(24)].image.amin(dim=(1, 2, 3, 4)) > 50
    assert len(seen) == int(changed.sum())
    assert 4 < len(seen) < 20
    assert set(seen) == {tuple(cuts.region_vox.tolist())}


def test_an_own_transform_is_finished_where_it_is_cut(folders):
    own = OwnTransform("noise", tio.RandomNoise(std=(1, 2)))
    cuts = cuts_of(folders, {"mine": own}, is_finished=False)
    first, again = (cuts[numbers(4)].image for _ in range(2))
    assert torch.equal(first, again)


def test_a_failing_transform_names_its_case(folders):
    def fail(subject):
        raise ValueError("no such coil,\n  or it is broken")

    cuts = cuts_of(folders, {"mine": OwnTransform("mine", fail)})
    line = r"cloud\d: making patch \d+ failed: ValueError: no such coil, or it is broken"
    with pytest.raises(CaseError, match=line):
        cuts[numbers(4)]


def test_a_file_that_cannot_be_read_names_its_case(folders, tmp_path):
    cuts = cuts_of([*folders[:3], tmp_path / "absent"])
    with pytest.raises(CaseError, match=r"absent: making patch \d failed: \w*Error"):
        cuts[numbers(4)]
