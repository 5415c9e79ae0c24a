import pytest
import torch
import torchio as tio

from neurotarget.data.augmentation.augment import OwnTransform, read_transforms
from neurotarget.data.augmentation.augmenter import Augmenter
from neurotarget.data.batches.batch_cuts import seeds_of
from neurotarget.problems import DataError
from neurotarget.types import Target

SETTINGS = {
    "affine": {"p": 0.5},
    "elastic": {"p": 0.2},
    "flip": {"p": 0.5, "axes": [0, 2]},
    "bias_field": {"p": 0.2},
    "motion": {"p": 0.02, "degrees": 5.0, "translation": 3.0, "num_transforms": 2},
    "ghosting": {"p": 0.03, "num_ghosts": [2, 6], "intensity": [0.2, 0.6]},
    "low_resolution": {"p": 0.1, "downsampling": [1.5, 3.0]},
    "blur": {"p": 0.1, "std": [0.3, 1.0]},
    "noise": {"p": 0.15, "std": [0.0, 0.1]},
    "gamma": {"p": 0.25, "log_gamma": 0.3},
}


def augmenter(settings, patch=(8, 8, 8), region=(10, 10, 10)):
    target = Target("toy", ("t1", "t2"), {"gland": 1}, (1, 1, 1), patch)
    return Augmenter(read_transforms(settings, target=target), 2, patch, region)


def seeds(count, first=0):
    return [seeds_of(3, draw) for draw in range(first, first + count)]


def plan_of(settings, count=400, **sides):
    made = augmenter(settings, **sides)
    return made.plan(made.numbers(seeds(count)), seeds(count), is_wide=False)


def test_each_transform_happens_as_often_as_its_probability_says():
    made, count = augmenter(SETTINGS), 4000
    happens = made.happens(made.numbers(seeds(count)))
    shares = {name: len(rows) / count for name, rows in happens.items()}
    expected = {name: values["p"] for name, values in SETTINGS.items() if name != "flip"}
    expected |= {"flip 0": 0.5, "flip 2": 0.5}
    assert shares == pytest.approx(expected, abs=0.03)
    assert abs(shares["motion"] - 0.02) < 0.008


def test_transforms_happen_independently():
    made = augmenter(SETTINGS)
    happens = made.happens(made.numbers(seeds(4000)))
    both = set(happens["affine"]) & set(happens["gamma"])
    assert len(both) / 4000 == pytest.approx(0.5 * 0.25, abs=0.025)


def test_a_draw_has_the_same_parameters_in_every_batch():
    always = {name: {**values, "p": 1.0} for name, values in SETTINGS.items()}
    made = augmenter(always)
    many = made.plan(made.numbers(seeds(6)), seeds(6), is_wide=False)
    few = made.plan(made.numbers(seeds(2, first=4)), seeds(2, first=4), is_wide=False)
    for name in ("matrix", "shift", "steps"):
        torch.testing.assert_close(getattr(many.warp, name)[4:], getattr(few.warp, name))
    torch.testing.assert_close(many.bias.coefficients[4:], few.bias.coefficients)
    torch.testing.assert_close(many.motion.maps[4:], few.motion.maps)
    for whole, part in zip(many.mixed.along, few.mixed.along, strict=True):
        torch.testing.assert_close(whole[4:], part)
    assert many.noise.seeds[4:] == few.noise.seeds
    torch.testing.assert_close(many.gamma.gamma[4:], few.gamma.gamma)


def test_strengths_fill_their_ranges():
    plan = plan_of(
        {
            "noise": {"p": 1, "std": [0.1, 0.3]},
            "gamma": {"p": 1, "log_gamma": 0.3},
            "affine": {"p": 1, "scale": [0.8, 1.25], "degrees": 0.0, "translate_mm": 2.0},
        }
    )
    sd, gamma = plan.noise.sd, plan.gamma.gamma.log()
    assert (float(sd.min()), float(sd.max())) == pytest.approx((0.1, 0.3), abs=0.01)
    assert (float(gamma.min()), float(gamma.max())) == pytest.approx((-0.3, 0.3), abs=0.01)
    assert (plan.gamma.sign > 0).float().mean() == pytest.approx(0.5, abs=0.06)
    scale = 1 / plan.warp.matrix.diagonal(dim1=1, dim2=2)
    assert (float(scale.min()), float(scale.max())) == pytest.approx((0.8, 1.25), abs=0.01)
    assert float(scale.log().mean()) == pytest.approx(0.0, abs=0.02)
    assert not torch.equal(scale[:, 0], scale[:, 1])
    assert float(plan.warp.shift.abs().max()) == pytest.approx(2.0, abs=0.02)


def test_an_isotropic_scale_is_one_factor():
    settings = {"affine": {"p": 1, "degrees": 0.0, "isotropic": True}}
    scale = plan_of(settings).warp.matrix.diagonal(dim1=1, dim2=2)
    assert torch.equal(scale[:, 0], scale[:, 2])


@pytest.mark.parametrize(("patch", "axis"), [((8, 8, 1), 2), ((1, 8, 8), 0)])
def test_a_slice_stays_in_its_plane(patch, axis):
    always = {name: {**values, "p": 1.0} for name, values in SETTINGS.items() if name != "flip"}
    plan = plan_of(always, patch=patch, region=patch)
    others = [one for one in range(3) if one != axis]
    assert plan.warp.matrix[:, others, axis].abs().max() == 0
    assert plan.warp.matrix[:, axis, others].abs().max() == 0
    for mixed in (plan.mixed, plan.ghosts):
        assert torch.allclose(mixed.along[axis], torch.ones(1))
    if axis == 2:
        assert plan.motion.shift[..., 2].abs().max() == 0


def test_patches_with_artefacts_are_wide_where_there_is_a_margin():
    settings = {"motion": {"p": 0.5}, "noise": {"p": 1}}
    own = OwnTransform("mine", lambda subject: subject, p=0.5)
    made = augmenter(settings | {"mine": own})
    happens = made.happens(made.numbers(seeds(40)))
    assert made.wide(happens) == {*happens["motion"], *happens["own 0"]}
    small = augmenter(settings, region=(8, 8, 8))
    assert small.wide(small.happens(small.numbers(seeds(40)))) == set()


@pytest.mark.parametrize("axes", [("Left",), [0, "Anterior"]])
def test_what_only_torchio_does_is_refused(axes):
    transforms = read_transforms(
        {"ghosting": {"p": 1}}, target=Target("toy", ("t1",), {"gland": 1}, (1, 1, 1), (8, 8, 8))
    )
    transforms.parts["ghosting"] = tio.RandomGhosting(axes=axes)
    with pytest.raises(DataError, match=r"augment\.ghosting: found axes.*data\.patches=queue"):
        Augmenter(transforms, 1, (8, 8, 8), (8, 8, 8))


def test_another_interpolation_is_refused():
    with pytest.raises(DataError, match=r"augment\.motion: found image_interpolation bspline"):
        augmenter({"motion": {"p": 1, "image_interpolation": "bspline"}})


def tumour_plan(settings, count=400):
    contrasts, derived = ("flair", "t1", "t1ce"), {"subtraction": "t1ce - t1"}
    target = Target("toy", contrasts, {"core": 1}, (1, 1, 1), (8, 8, 8), derived=derived)
    made = Augmenter(read_transforms(settings, target=target), 4, (8, 8, 8), (8, 8, 8))
    return made.plan(made.numbers(seeds(count)), seeds(count), is_wide=False)


def test_factors_and_constants_cover_their_ranges_alike():
    scaled = tumour_plan({"scale_shift": {"p": 1.0, "factor": (0.5, 2.0), "shift": 0.4}}).scaled
    assert scaled.factor.shape == scaled.shift.shape == (400, 4)
    assert (float(scaled.factor.min()), float(scaled.factor.max())) == pytest.approx((0.5, 2), 0.02)
    assert (scaled.factor > 1).float().mean() == pytest.approx(0.5, abs=0.05)
    assert (float(scaled.shift.min()), float(scaled.shift.max())) == pytest.approx(
        (-0.4, 0.4), 0.02
    )
    assert tumour_plan({"scale_shift": {"p": 0.0}}).scaled is None


def test_contrasts_drop_out_alone_and_together_but_never_all():
    gone = tumour_plan({"contrast_dropout": {"p": 1.0}}).dropped.channels
    number = gone[:, :3].sum(dim=1)
    assert sorted(number.unique().tolist()) == [1, 2]
    assert (number == 1).float().mean() == pytest.approx(0.5, abs=0.08)
    assert gone[:, :3].float().mean(dim=0) == pytest.approx([0.5] * 3, abs=0.08)


def test_a_derived_contrast_drops_out_with_any_of_its_own():
    gone = tumour_plan({"contrast_dropout": {"p": 1.0}}).dropped.channels
    assert torch.equal(gone[:, 3], gone[:, 1] | gone[:, 2])


def test_contrasts_drop_out_of_a_share_of_the_patches():
    dropped = tumour_plan({"contrast_dropout": {"p": 0.3}}, count=1000).dropped
    assert len(dropped.rows) / 1000 == pytest.approx(0.3, abs=0.05)
    assert tumour_plan({"contrast_dropout": {"p": 0.0}}).dropped is None
