import pytest
import torch
import torchio as tio

from neurotarget.data.augmentation.shading import BiasField, Gamma, ScaleShift
from neurotarget.data.augmentation.warp import DRAWN


def contrasts(count=2):
    torch.manual_seed(1)
    return torch.randn(count, 8, 10, 12)


def shade(transform, image):
    label = torch.ones(1, *image.shape[1:], dtype=torch.uint8)
    subject = tio.Subject(image=tio.ScalarImage(tensor=image), label=tio.LabelMap(tensor=label))
    return transform(subject)


def test_bias_field_is_one_polynomial_of_the_order():
    field = BiasField(0.3, order=1)._draw_field((9, 9, 9)).log()
    bends = [torch.diff(field, n=2, dim=axis).abs().max().item() for axis in range(3)]
    assert bends == pytest.approx([0, 0, 0], abs=1e-5)  # order 1: a plane, without curvature


def test_bias_field_leaves_no_signal_where_there_was_none():
    image = contrasts(1)
    gain = (shade(BiasField(0.3), image).image.data - image.min()) / (image - image.min())
    assert gain.isnan().sum() == 1  # the darkest voxel, 0 of 0
    assert 0.1 < gain.nan_to_num(1).min() < 1 < gain.nan_to_num(1).max() < 10


def test_contrasts_are_shaded_apart():
    twins = contrasts(1).expand(2, -1, -1, -1).clone()
    first, second = shade(BiasField(0.3), twins).image.data
    assert not torch.allclose(first, second)


def test_gamma_keeps_order_mean_and_spread():
    image = contrasts(1)
    bent = shade(Gamma(0.5), image).image.data
    assert torch.equal(bent.flatten().argsort(), image.flatten().argsort())
    assert bent.mean().item() == pytest.approx(image.mean().item(), abs=1e-5)
    assert bent.std().item() == pytest.approx(image.std().item(), rel=1e-4)


def test_contrasts_are_rescaled_apart_and_the_background_stays():
    image = contrasts(2).abs() + 1
    image[:, 0] = 0
    subject = shade(ScaleShift(factor=(0.5, 2.0), shift=0.4), image)
    known, rescaled = subject[DRAWN]["scale_shift"], subject.image.data
    assert not rescaled[:, 0].any()
    for channel, (factor, shift) in enumerate(zip(known["factor"], known["shift"], strict=True)):
        expected = image[channel, 1:] * factor + shift
        torch.testing.assert_close(rescaled[channel, 1:], expected)
    assert known["factor"][0] != known["factor"][1]


def test_factors_of_no_range_are_refused():
    for factor in ((0.0, 1.0), (2.0, 1.0)):
        with pytest.raises(ValueError, match="wanted 0 < low"):
            ScaleShift(factor=factor)


def test_flat_image_stays_finite_and_labels_stay():
    flat = torch.full((1, 4, 4, 4), 3.0)
    for transform in (Gamma(0.5), BiasField(0.3)):
        done = shade(transform, flat)
        assert torch.equal(done.image.data, flat)
        assert done.label.data.all()
