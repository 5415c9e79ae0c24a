import numpy as np
import pytest
import torch
from scipy import ndimage

from neurotarget.phantom.dentate.anatomy import Maps, QSMPerson, render_maps
from neurotarget.phantom.dentate.field import field_ppm, own_brain
from neurotarget.phantom.dentate.nuclei import sample_dentates
from neurotarget.phantom.dentate.plan import SITES
from neurotarget.phantom.dentate.scanner import MIDDLE_MM
from neurotarget.phantom.scanner import sample_warp, stored_grid
from neurotarget.physics.background import pdf, vsharp
from neurotarget.physics.dipole import dipole_field

SPACING_MM = (2.0, 2.0, 2.0)
B0 = (0.0, 0.0, 1.0)


@pytest.fixture(scope="module")
def drawn() -> tuple[Maps, np.ndarray, np.ndarray]:
    """Tissues of one head, their field, and the field with the tissues taken out."""
    rng = np.random.default_rng(1)
    shape, affine = stored_grid(SITES[0], 2.0, rng)
    affine[:3, 3] += MIDDLE_MM
    person = QSMPerson(1500.0, (800.0, 800.0), (0.15, 0.15), (1,))
    dentates, warp = sample_dentates(rng), sample_warp(shape, affine, 0.9, rng)
    maps = render_maps(person, warp, shape, affine, dentates=dentates, rng=rng)
    fields = [
        field_ppm(one, warp, SPACING_MM, B0)
        for one in (maps, maps._replace(chi_ppm=np.zeros_like(maps.chi_ppm)))
    ]
    return (maps, *fields)


def deep(maps: Maps) -> np.ndarray:
    return ndimage.binary_erosion(maps.brain > 0.5, iterations=6)


def local(field: np.ndarray, maps: Maps) -> np.ndarray:
    mask = torch.from_numpy(maps.brain > 0.5)
    return vsharp(torch.from_numpy(field), mask, SPACING_MM)[0].numpy()[deep(maps)]


def test_air_and_bone_disturb_the_brain_by_parts_of_a_ppm(drawn):
    maps, _, background = drawn
    assert 0.5 < np.ptp(background[deep(maps)]) < 6
    assert abs(np.median(background[deep(maps)])) < 0.1  # shimmed


def test_air_and_bone_leave_no_sources_in_the_brain(drawn):
    maps, total, background = drawn
    assert local(background, maps).std() < 0.35 * local(total, maps).std()


def test_tissues_add_their_own_dipole_field(drawn):
    maps, total, background = drawn
    own = dipole_field(torch.from_numpy(maps.chi_ppm), SPACING_MM, B0).numpy()
    apart = (total - background - own)[deep(maps)]
    assert (apart - apart.mean()).std() < 0.25 * own[deep(maps)].std()  # the shim sees them too


def test_dipoles_outside_the_brain_explain_its_background_where_it_holds_no_bone(drawn):
    maps, _, background = drawn
    rest = {}
    for name, inside in (("own", own_brain(maps, SPACING_MM)), ("all", maps.brain > 0.5)):
        mask = torch.from_numpy(inside)
        left, _ = pdf(torch.from_numpy(background) * mask, mask, SPACING_MM, B0)
        rest[name] = float(left.numpy()[inside].std())
    assert rest["own"] < 0.5 * rest["all"]
    assert own_brain(maps, SPACING_MM).sum() > 0.9 * (maps.brain > 0.5).sum()
