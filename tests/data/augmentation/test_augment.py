from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchio as tio
from omegaconf import OmegaConf

from neurotarget.data.augmentation.augment import OwnTransform, build_augmentation
from neurotarget.problems import DataError
from neurotarget.types import Target

CONF = Path(__file__).resolve().parents[3] / "conf" / "augment"
NAMES = [
    "affine",
    "elastic",
    "flip",
    "bias_field",
    "motion",
    "ghosting",
    "low_resolution",
    "blur",
    "noise",
    "gamma",
]


def target_of(*names, pairs=()):
    labels = {name: number for number, name in enumerate(names, start=1)}
    return Target("toy", ("t1",), labels, (1, 1, 1), (16, 16, 16), pairs=pairs)


def scan():
    generator = torch.Generator().manual_seed(5)
    image = torch.randn(2, 16, 20, 16, generator=generator)
    label = torch.randint(0, 2, (1, 16, 20, 16), generator=generator, dtype=torch.uint8)
    return tio.Subject(image=tio.ScalarImage(tensor=image), label=tio.LabelMap(tensor=label))


def settings_of(name):
    return OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"))


def always(name="strong"):
    return {key: {**values, "p": 1.0} for key, values in settings_of(name).items()}


def test_same_torch_seed_gives_the_same_augmentation():
    augment = build_augmentation(always(), target=target_of("gland"))
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(augment(scan()))
    assert torch.equal(draws[0].image.data, draws[1].image.data)
    assert torch.equal(draws[0].label.data, draws[1].label.data)
    assert not torch.equal(draws[0].image.data, draws[2].image.data)


@pytest.mark.parametrize("name", NAMES)
def test_each_transform_alone_keeps_grid_classes_and_finite_values(name):
    augment = build_augmentation({name: always()[name]}, target=target_of("gland"))
    before, after = scan(), augment(scan())
    assert after.image.data.shape == before.image.data.shape
    assert after.image.data.isfinite().all()
    assert not torch.equal(after.image.data, before.image.data)
    assert after.label.data.dtype == torch.uint8
    assert set(after.label.data.unique().tolist()) <= {0, 1}
    if name not in ("affine", "elastic", "flip"):
        assert torch.equal(after.label.data, before.label.data)


@pytest.mark.parametrize("settings", [None, {}, settings_of("none"), {"noise": None}])
def test_no_settings_change_nothing(settings):
    done = build_augmentation(settings, target=target_of("gland"))(scan())
    assert torch.equal(done.image.data, scan().image.data)


def test_probability_zero_leaves_a_transform_out():
    assert len(build_augmentation({"noise": {"p": 0.0}}, target=target_of("gland"))) == 0


@pytest.mark.parametrize("name", ["default", "strong"])
def test_shipped_settings_name_every_transform(name):
    assert sorted(settings_of(name)) == sorted(NAMES)
    build_augmentation(settings_of(name), target=target_of("gland"))


def test_flip_swaps_paired_labels():
    pair = (("left_dentate", "right_dentate"),)
    augment = build_augmentation(
        {"flip": {"p": 1.0}}, target=target_of("left_dentate", "right_dentate", pairs=pair)
    )
    subject = scan()
    subject.label.data[:] = 0
    subject.label.data[:, 0] = 1
    turned = augment(subject).label.data
    assert (turned[:, -1] == 2).all()
    assert turned[:, :-1].sum() == 0


@pytest.mark.parametrize(
    "name", ["left_dentate", "dentate_right", "dentate_l", "lh.hippocampus", "RH-x", "LeftCaudate"]
)
def test_flip_of_unpaired_lateral_label_is_refused(name):
    with pytest.raises(DataError, match=f"unpaired lateral labels {name}"):
        build_augmentation({"flip": {"p": 0.5}}, target=target_of(name))


@pytest.mark.parametrize("name", ["pituitary", "clivus", "anterior", "frontal_lobe", "cleft"])
def test_flip_of_midline_label_is_allowed(name):
    assert build_augmentation({"flip": {"p": 0.5}}, target=target_of(name))


def test_flip_along_other_axes_needs_no_pairs():
    settings = {"flip": {"p": 0.5, "axes": [1, 2]}}
    assert build_augmentation(settings, target=target_of("left_dentate"))


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"nois": {"p": 1}}, "augment: found 'nois'.*did you mean noise"),
        ({"noise": {"sdt": 1}}, r"augment\.noise: found 'sdt'.*did you mean std"),
        (
            {"contrast_dropout": {"p": 1}},
            "one contrast, t1, which cannot drop out",
        ),
        ({"contrast_dropout": {"channels": []}}, r"contrast_dropout: found 'channels'"),
        ({"noise": True}, r"augment\.noise: found True, wanted its parameters or null"),
        ({"noise": {"p": 2}}, r"augment\.noise: found {'p': 2}"),
        ({"elastic": {"displacement_mm": 9.0}}, "so that tissue never folds"),
    ],
)
def test_bad_settings_are_named(settings, error):
    with pytest.raises(DataError, match=error):
        build_augmentation(settings, target=target_of("gland"))


@pytest.mark.parametrize(("p", "least", "most"), [(0.0, 0, 0), (0.5, 60, 140), (1.0, 200, 200)])
def test_an_own_transform_is_called_with_its_probability(p, least, most):
    seen = []
    own = OwnTransform("mine", lambda subject: seen.append(1) or subject, p)
    augment = build_augmentation({"mine": own}, target=target_of("gland"))
    subject = scan()
    torch.manual_seed(0)
    for _ in range(200):
        augment(subject)
    assert least <= len(seen) <= most


def test_an_own_transform_comes_last():
    own = OwnTransform("mine", lambda subject: subject)
    settings = {"mine": own, "gamma": {"p": 1}, "flip": {"p": 1}}
    assert build_augmentation(settings, target=target_of("gland"))[-1] is own


@pytest.mark.parametrize("transform", [tio.Crop(2), lambda subject: subject["image"]])
def test_an_own_transform_that_changes_the_grid_or_returns_no_subject_is_refused(transform):
    own = build_augmentation({"mine": OwnTransform("mine", transform)}, target=target_of("gland"))
    with pytest.raises(ValueError, match=r"augment\.mine: found \w+, wanted the subject"):
        own(scan())


def test_a_mirror_keeps_ignored_voxels():
    pairs = [("left", "right")]
    augment = build_augmentation({"flip": {"p": 1}}, target=target_of("left", "right", pairs=pairs))
    subject = scan()
    subject["label"].set_data(torch.arange(4, dtype=torch.uint8).repeat(4)[None, :, None, None])
    subject["image"].set_data(torch.zeros(1, 16, 1, 1))
    swapped = [3, 1, 2, 0]  # backwards, left and right exchanged
    assert augment(subject)["label"].data.flatten().tolist() == swapped * 4


def test_a_slice_gets_a_low_resolution_only_within_itself(recwarn):
    target = replace(target_of("lungs"), patch_vox=(16, 16, 1))
    augmentation = build_augmentation({"low_resolution": {"p": 1.0}}, target=target)
    image = tio.ScalarImage(tensor=torch.rand(1, 16, 16, 1))
    label = tio.LabelMap(tensor=torch.zeros(1, 16, 16, 1, dtype=torch.uint8))
    assert augmentation(tio.Subject(image=image, label=label)).spatial_shape == (16, 16, 1)
    assert not recwarn


def test_contrasts_that_drop_out_are_0_and_the_others_stay():
    target = replace(target_of("gland"), contrasts=("t1", "t2"))
    augment = build_augmentation({"contrast_dropout": {"p": 1.0}}, target=target)
    torch.manual_seed(0)
    before, seen = scan().image.data, set()
    for _ in range(12):
        after = augment(scan()).image.data
        kept = [torch.equal(one, other) for one, other in zip(after, before, strict=True)]
        assert [bool(one.any()) for one in after] == kept
        seen.add(tuple(kept))
    assert seen == {(True, False), (False, True)}
