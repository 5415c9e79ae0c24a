"""Parameters of the transforms of a patch are those that were applied to it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from neurotarget.data.augmentation.augment import build_augmentation, read_transforms
from neurotarget.data.augmentation.augmenter import Augmenter
from neurotarget.data.augmentation.warp import DRAWN
from neurotarget.data.batches.batch_cuts import BatchCuts, seeds_of
from neurotarget.data.batches.patches import Regions
from neurotarget.process.programs import home
from neurotarget.training.replaying.drawn_transforms import (
    READERS,
    as_text,
    drawn_in_batch,
    drawn_in_queue,
)
from neurotarget.types import Target
from oracles.prepared import write_cloud

PATCH = (8, 8, 8)
TARGET = Target("toy", ("t1",), {"cold": 1, "warm": 2}, (1, 1, 1), PATCH)
HOW = {"patch_vox": PATCH, "foreground_share": 0.5, "margin_share": 0.25, "seed": 1}
DEFAULT = yaml.safe_load((home() / "conf" / "augment" / "default.yaml").read_text())
ALWAYS = {name: {**values, "p": 1.0} for name, values in DEFAULT.items()}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return [write_cloud(tmp_path_factory.mktemp("clouds"), 0, sides=(16, 16, 16))]


def cuts_of(folders, augment):
    transforms = read_transforms(augment, target=TARGET)
    return BatchCuts(folders, num_contrasts=1, transforms=transforms, **HOW)


def queued(folders, augment, index):
    regions = Regions(folders, augmentation=build_augmentation(augment, target=TARGET), **HOW)
    subject = regions[index]
    return drawn_in_queue(subject[DRAWN], subject.applied_transforms), subject


def test_every_transform_of_a_batch_can_be_read(folders):
    cuts = cuts_of(folders, ALWAYS)
    first, second = drawn_in_batch(cuts.augmenter, [seeds_of(1, 0), seeds_of(1, 1)])
    assert first.keys() == second.keys() == {*ALWAYS}
    assert {*ALWAYS, "contrast_dropout", "scale_shift"} == {*READERS, "flip"}
    assert first["flip"] == {"axes": [0]}
    assert 0.85 <= min(first["affine"]["scale"]) <= max(first["affine"]["scale"]) <= 1.15
    assert np.abs(first["affine"]["degrees"]).max() <= 15
    assert first["gamma"] != second["gamma"]


def test_contrasts_that_drop_out_can_be_read():
    target = replace(TARGET, contrasts=("t1", "t2"))
    transforms = read_transforms({"contrast_dropout": {"p": 1.0}}, target=target)
    augmenter = Augmenter(transforms, 2, PATCH, PATCH)
    drawn = drawn_in_batch(augmenter, [seeds_of(1, draw) for draw in range(8)])
    gone = [one["contrast_dropout"]["dropped"] for one in drawn]
    assert all(sorted(one) == [False, True] for one in gone)


def test_parameters_of_a_batch_are_those_of_its_plan(folders):
    cuts = cuts_of(folders, ALWAYS)
    seeds = [seeds_of(1, draw) for draw in range(6)]
    plan = cuts.augmenter.plan(cuts.augmenter.numbers(seeds), seeds, is_wide=True)
    drawn = drawn_in_batch(cuts.augmenter, seeds)
    assert [one["noise"]["sd"] for one in drawn] == pytest.approx(plan.noise.sd.tolist())
    assert [one["gamma"]["gamma"] for one in drawn] == plan.gamma.gamma.tolist()
    inverted = [[sign < 0 for sign in signs] for signs in plan.gamma.sign.tolist()]
    assert [one["gamma"]["is_inverted"] for one in drawn] == inverted
    norms = torch.linalg.vector_norm(plan.warp.matrix, dim=1)  # of each column, 1 over its scale
    assert [one["affine"]["scale"] for one in drawn] == pytest.approx((1 / norms).numpy(), rel=1e-5)


def test_a_transform_that_does_not_happen_is_not_named(folders):
    cuts = cuts_of(folders, {"noise": {"p": 0.5}})
    seeds = [seeds_of(1, draw) for draw in range(20)]
    happens = cuts.augmenter.happens(cuts.augmenter.numbers(seeds))["noise"]
    named = [row for row, one in enumerate(drawn_in_batch(cuts.augmenter, seeds)) if "noise" in one]
    assert named == sorted(happens)
    assert 0 < len(named) < 20


def test_every_transform_of_the_queue_can_be_read(folders):
    drawn, _ = queued(folders, ALWAYS, 3)
    assert drawn.keys() == {*ALWAYS}
    assert drawn["flip"] == {"axes": [0]}
    assert 0.01 < drawn["noise"]["std"] < 0.2
    assert drawn["noise"].keys() == {"mean", "std"}


def test_the_queues_matrix_is_the_one_that_was_applied(folders):
    """A patch that is only moved by whole voxels lies where the matrix says."""
    moved = {"affine": {"p": 1.0, "scale": (1, 1), "degrees": 0, "translate_mm": 1}}
    drawn, _ = queued(folders, moved, 3)
    assert np.allclose(drawn["affine"]["matrix"], np.eye(3))
    assert np.abs(drawn["affine"]["shift_mm"]).max() <= 1
    assert queued(folders, None, 3)[0] == {}


def test_text_is_short():
    drawn = {"affine": {"scale": [1.23456, 1.0], "axes": [0]}, "own": {}, "gamma": {"is": [True]}}
    assert as_text(drawn) == "affine scale=1.235,1 axes=0; own; gamma is=true"
    assert as_text({}) == ""
