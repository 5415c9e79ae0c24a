"""Methods of the experiments qsm and swi for one scan: their maps and scores."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from neurotarget.metrics.susceptibility import (
    contrast_percent,
    contrast_to_noise,
    correlation,
    mean_above_brain_ppm,
    nrmse_percent,
    slope,
    surroundings,
)
from neurotarget.physics.qsm import QSM
from neurotarget.physics.swi import SWI
from neurotarget.problems import DataError
from neurotarget.reconstruction.qsm_maps import notes_of, reconstructed
from neurotarget.reconstruction.reconstruction_scans import RING_MM, Scan
from neurotarget.reconstruction.swi_images import Sign, sign_of, slice_axis, weighted
from neurotarget.types import Row

MAGNITUDE = "magnitude"


class MethodResult(NamedTuple):
    """The map and scores of one method on a scan.

    `array` and `mask` are (I, J, K) in the scan's voxel order; susceptibility is in ppm, weighted
    images have the unit of the magnitude. The metric in each row ends in `@<method>`.
    """

    method: str
    array: ndarray
    mask: ndarray  # voxels where the map is defined
    rows: list[Row]
    notes: Sequence[str] = ()  # for the user to check


Method = Callable[[Scan], MethodResult]


def qsm_methods(config: Mapping[str, Any], device: str) -> dict[str, Method]:
    """Chains of steps by name: the standard chain with one step varied at a time, or all chains.

    Args:
        config: `unwrap`, `background` and `inversion` are a choice or a list of choices; the first
            choices make the standard chain; `all_pairs` asks for all combinations; `reference`,
            `handedness` and `weighted_edges` are settings of `QSM`, the same in all chains.
        device: device that computes the maps.

    Returns:
        Functions of a scan by `<background>_<inversion>`, or by `<unwrap>_<background>_<inversion>`
        if there are several ways to unwrap; the standard chain first.

    Raises:
        DataError: a step is unknown or has no choice.
    """
    steps = {name: _listed(config, name) for name in ("unwrap", "background", "inversion")}
    whole = list(product(*steps.values()))
    if not config["all_pairs"]:
        first = whole[0]
        whole = [one for one in whole if sum(a != b for a, b in zip(one, first, strict=True)) <= 1]
    options = {
        "reference": config["reference"],
        "handedness": config["handedness"],
        "weighted_edges": config["weighted_edges"],
    }
    chains = [QSM(*one, **options) for one in whole]
    many = len(steps["unwrap"]) > 1
    return {
        _chain_name(chain, many): _qsm(chain, _chain_name(chain, many), device) for chain in chains
    }


def swi_methods(config: Mapping[str, Any], device: str) -> dict[str, Method]:
    """Kinds of susceptibility-weighted images by name.

    The sign of phase is determined once per scan, as it is slow and the same for all methods.

    Args:
        config: `high_pass` and `phase_mask` are a choice or a list of choices; the other keys are
            the settings of `SWI`, and `handedness` is 1, -1 or auto.
        device: device that computes the images.

    Returns:
        Functions of a scan by `<high_pass>_<phase_mask>`, for every pair.

    Raises:
        DataError: a filter or phase mask is unknown or absent.
    """
    kinds = [_listed(config, name) for name in ("high_pass", "phase_mask")]
    chains = {
        f"{high_pass}_{phase_mask}": SWI(
            high_pass,
            phase_mask,
            mask_power=config["mask_power"],
            mip_mm=config["mip_mm"],
            high_pass_mm=config["high_pass_mm"],
            window_vox=config["window_vox"],
        )
        for high_pass, phase_mask in product(*kinds)
    }
    handedness, known = config["handedness"], {}

    def sign(scan: Scan) -> Sign:  # slow, and the same for all methods
        """The sign of phase in a scan, determined once."""
        if scan.case_id not in known:
            known[scan.case_id] = sign_of(scan.gre, handedness, device)
        return known[scan.case_id]

    return {name: _swi(chain, name, sign, device) for name, chain in chains.items()}


def _listed(config: Mapping[str, Any], name: str) -> Sequence[str]:
    values = config[name]
    values = [values] if isinstance(values, str) else values
    if not values:
        raise DataError(f"reconstruction.{name}: found no choice, wanted at least one")
    return values


def _chain_name(chain: QSM, with_unwrap: bool) -> str:
    name = f"{chain.background}_{chain.inversion}"
    return f"{chain.unwrap}_{name}" if with_unwrap else name


def _qsm(chain: QSM, name: str, device: str) -> Method:
    def make(scan: Scan) -> MethodResult:
        """Map and scores of a scan; the time in s is that of the reconstruction alone."""
        began_s = time.perf_counter()
        result = reconstructed(scan.gre, chain, device)
        seconds = time.perf_counter() - began_s
        add = _adder(scan, name)
        inside = result.chi_ppm[result.mask]
        rows = [
            add("brain", "sd_qsm", float(inside.std()) if inside.size else np.nan, "ppm"),
            add("brain", "mask_left", float(result.mask.sum() / result.brain_mask.sum()), ""),
            add("brain", "seconds", seconds, "s"),
        ]
        if scan.truth_ppm is not None:
            rows += _truth_rows(scan, result.chi_ppm, result.mask, add)
        return MethodResult(name, result.chi_ppm, result.mask, rows, notes_of(result, chain))

    return make


def _truth_rows(
    scan: Scan, chi_ppm: ndarray, mask: ndarray, add: Callable[..., Row]
) -> Iterator[Row]:
    """Errors of a map over the brain and in each nucleus."""
    truth = scan.truth_ppm
    yield add("brain", "nrmse", nrmse_percent(chi_ppm, truth, mask), "%")
    yield add("brain", "correlation", correlation(chi_ppm, truth, mask), "")
    yield add("brain", "slope", slope(chi_ppm, truth, mask), "")
    for label, inside in scan.structures.items():
        measured = mean_above_brain_ppm(chi_ppm, inside, mask)
        true = mean_above_brain_ppm(truth, inside, mask)
        yield add(label, "mean_qsm", measured, "ppm")
        yield add(label, "reference_mean_qsm", true, "ppm")
        yield add(label, "bias_qsm", measured - true, "ppm")


def _swi(chain: SWI, name: str, sign_in: Callable[[Scan], Sign], device: str) -> Method:
    def make(scan: Scan) -> MethodResult:
        """Weighted image and scores of a scan; the time in s excludes finding the sign of phase."""
        sign = sign_in(scan)
        began_s = time.perf_counter()
        images = weighted(scan.gre, chain, sign, axis=slice_axis(scan.gre), device=device)
        add = _adder(scan, name)
        rows = [add("brain", "seconds", time.perf_counter() - began_s, "s")]
        rows += _dark(scan, images.swi, add)
        return MethodResult(name, images.swi, _mask(scan, images.swi), rows, sign.notes)

    return make


def magnitude_of(scan: Scan) -> MethodResult:
    """The magnitude as a method, for comparison with susceptibility-weighted images.

    The array is the root mean square over echoes. Its rows are contrasts of veins and nuclei; it
    has no row with a time.
    """
    image = np.sqrt((scan.gre.magnitude**2).mean(axis=0))
    rows = list(_dark(scan, image, _adder(scan, MAGNITUDE)))
    return MethodResult(MAGNITUDE, image, _mask(scan, image), rows)


def _mask(scan: Scan, image: ndarray) -> ndarray:
    return image > 0 if scan.gre.mask is None else scan.gre.mask


def _dark(scan: Scan, image: ndarray, add: Callable[..., Row]) -> Iterator[Row]:
    """Contrast of veins, and of iron-rich nuclei, if their positions are known."""
    places = {"veins": (scan.veins, scan.around)}
    if scan.structures and scan.gre.mask is not None:
        nuclei = np.logical_or.reduce(list(scan.structures.values()))
        ring = surroundings(nuclei, scan.gre.mask, scan.gre.spacing_mm, RING_MM)
        places["nuclei"] = (nuclei, ring)
    for name, (place, around) in places.items():
        if place is not None and around is not None:
            yield add(name, "contrast_to_noise", contrast_to_noise(image, place, around), "")
            yield add(name, "contrast", contrast_percent(image, place, around), "%")


def _adder(scan: Scan, method: str) -> Callable[[str, str, float, str], Row]:
    def add(label: str, metric: str, value: float, unit: str) -> Row:
        """Row of the scan, with `@<method>` at the end of the metric."""
        return Row(scan.case_id, scan.subject_id, "test", label, f"{metric}@{method}", value, unit)

    return add
