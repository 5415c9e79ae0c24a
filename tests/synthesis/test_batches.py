import numpy as np
import pytest
import torch

from neurotarget.data.augmentation.augment import read_transforms
from neurotarget.data.labels import class_of_id
from neurotarget.synthesis.batches import Synthesis, SyntheticBatches
from neurotarget.synthesis.deformation import Deformation
from neurotarget.synthesis.label_map import store_map
from neurotarget.synthesis.look import Look
from neurotarget.synthesis.population import Population
from neurotarget.synthesis.synthesis_data import class_of_code
from neurotarget.types import Target
from oracles.small_heads import head_case

LABELS = {"left": 3, "right": 42, "inner_left": (2, 4), "inner_right": (41, 43)}
TARGET = Target(
    "toy",
    ("t1",),
    LABELS,
    (2, 2, 2),
    (28, 28, 28),
    pairs=(("left", "right"), ("inner_left", "inner_right")),
)
STILL = Deformation(
    degrees=0,
    scale=(1, 1),
    shear=0,
    shift_mm=0,
    elastic=(),
    flip=0,
    population=Population(ageing=0, young=0, wide_head=0),
)
PLAIN = Look(
    contrasts={"mprage": 1.0},
    spread=(0, 0),
    mottle=(0, 0),
    head_mottle=(0, 0),
    stripped=0,
    defaced=0,
    dark_outside=1,
)
NOISE = {"noise": {"p": 1.0, "std": [0.02, 0.05]}, "blur": {"p": 0.5, "std": [0.3, 1.0]}}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    return [store_map(head_case(folder, number), folder / "cache") for number in range(3)]


def batches_of(folders, *, target=TARGET, synthesis=None, augment=NOISE, seed=1, **settings):
    return SyntheticBatches(
        folders,
        target=target,
        class_of_code=class_of_code(class_of_id(target)),
        synthesis=synthesis or Synthesis(),
        transforms=read_transforms(augment, target=target),
        seed=seed,
        **settings,
    )


def test_a_draw_does_not_depend_on_the_batch_it_is_in(folders):
    alone, together = batches_of(folders)[[7]], batches_of(folders)[[3, 7, 11]]
    assert torch.equal(alone.image[0], together.image[1])
    assert torch.equal(alone.labels[0], together.labels[1])
    assert alone.case_ids == ["head1"]


def test_a_batch_finished_later_has_the_same_voxels(folders):
    now, later = batches_of(folders), batches_of(folders, is_finished=False)
    batch = later.finish(later[[4, 5]])
    assert torch.equal(now[[4, 5]].image, batch.image)


def test_draws_and_seeds_differ(folders):
    first, second = batches_of(folders)[[0]], batches_of(folders)[[3]]
    other = batches_of(folders, seed=2)[[0]]
    assert not torch.equal(first.image, second.image)
    assert not torch.equal(first.image, other.image)


def test_images_are_between_the_gain_of_0_and_1(folders):
    batch = batches_of(folders)[list(range(12))]
    assert batch.image.dtype == torch.float32
    assert batch.image.isfinite().all()
    assert batch.image.amin() >= -0.081
    assert batch.image.amax() <= 1.2 + 0.081


def test_without_deformation_labels_are_those_of_the_map(folders):
    labels = batches_of(folders, synthesis=Synthesis(STILL, PLAIN))[[0]].labels[0]
    assert labels.unique().tolist() == [0, 1, 2, 3, 4]
    assert (labels[:14] != 2).all()  # the right side is in the upper half of the first axis
    assert (labels[14:] != 1).all()


def test_a_mirrored_head_exchanges_the_classes_of_its_sides(folders):
    mirrored = Deformation(**{**vars(STILL), "flip": 1.0})
    still = batches_of(folders, synthesis=Synthesis(STILL, PLAIN))[[0]].labels
    turned = batches_of(folders, synthesis=Synthesis(mirrored, PLAIN))[[0]].labels
    assert torch.equal(still, turned)  # the small head is symmetric


def test_white_matter_is_brighter_than_cortex_in_a_t1_weighted_scan(folders):
    batch = batches_of(folders, synthesis=Synthesis(STILL, PLAIN), augment=None)[[0]]
    image, labels = batch.image[0, 0], batch.labels[0]
    assert image[labels == 3].median() > image[labels == 1].median() > image[labels == 0].median()


def test_a_stripped_head_has_no_skin(folders):
    stripped = Look(**{**vars(PLAIN), "stripped": 1.0})
    whole = batches_of(folders, synthesis=Synthesis(STILL, PLAIN), augment=None)[[0]].image
    bare = batches_of(folders, synthesis=Synthesis(STILL, stripped), augment=None)[[0]].image
    assert (bare == bare.min()).sum() > (whole == whole.min()).sum()


def test_a_defaced_head_keeps_its_brain(folders):
    target = Target("wide", ("t1",), LABELS, (2, 2, 2), (36, 40, 36), pairs=TARGET.pairs)
    cut = Look(**{**vars(PLAIN), "defaced": 1.0})
    settings = [Synthesis(STILL, look, gain=(1, 1), offset=0) for look in (PLAIN, cut)]
    whole, faceless = (
        batches_of(folders, target=target, synthesis=one, augment=None)[[*range(4)]]
        for one in settings
    )
    brain = whole.labels > 0
    assert torch.equal(whole.labels, faceless.labels)
    lost = (whole.image[:, 0] > 0.2) & (faceless.image[:, 0] < 0.1)
    assert lost.sum() > 50
    assert not (lost & brain).any()


def test_several_contrasts_show_one_head(folders):
    target = Target("two", ("t1", "t2"), LABELS, (2, 2, 2), (28, 28, 28), pairs=TARGET.pairs)
    batch = batches_of(folders, target=target)[[0, 1]]
    assert batch.image.shape == (2, 2, 28, 28, 28)
    assert not torch.equal(batch.image[:, 0], batch.image[:, 1])


@pytest.mark.parametrize(
    ("weights", "message"),
    [({"mprag": 1.0}, "did you mean mprage"), ({"t2": 0.0}, "no weight above 0")],
)
def test_invalid_contrasts_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        Look(contrasts=weights)


def test_every_contrast_is_drawn_as_often_as_its_weight(folders):
    look = Look(**{**vars(PLAIN), "contrasts": {"t2": 0.25, "mprage": 0.75}})
    batches = batches_of(folders, synthesis=Synthesis(STILL, look), augment=None)
    fluid_is_bright = []
    for draw in range(60):
        batch = batches[[draw * 3]]
        image, labels = batch.image[0, 0], batch.labels[0]
        ball = image[labels == 3]
        fluid_is_bright.append(bool(ball.max() - ball.median() > 0.2))
    assert 5 <= np.sum(fluid_is_bright) <= 28
