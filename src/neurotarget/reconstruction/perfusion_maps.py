"""Maps of perfusion from a scan of a bolus of contrast agent (DSC)."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from neurotarget.physics.artery import find_artery
from neurotarget.physics.leakage import leakage_corrected
from neurotarget.physics.perfusion import (
    CUT,
    FEWEST_TIMES,
    TISSUE_FACTOR,
    bolus_arrival,
    concentrations,
    perfusion,
)
from neurotarget.problems import DataError, error
from neurotarget.reconstruction.timed_scan import (
    MadeMap,
    TimedScan,
    bright,
    on_grid,
    read_mask,
    read_timed,
    write_maps,
)

INTACT_SD = 1.0  # a curve that ends within so many SDs of the median end counts as intact
TE_LIMITS_S, TR_LIMITS_S = (1e-3, 0.2), (0.1, 10.0)


def make_dsc(
    scan: Path,
    output: Path,
    *,
    te_ms: float | None = None,
    tr_s: float | None = None,
    aif: Path | None = None,
    mask: Path | None = None,
    skip: int = 0,
    baseline: int | None = None,
    leakage: bool = True,
    first_pass: bool = False,
    tissue_factor: float = TISSUE_FACTOR,
    cut: float = CUT,
    overwrite: bool = False,
) -> dict[str, Path]:
    """Write CBV, CBF, MTT, Tmax and the rate of leakage, with their JSON files.

    Args:
        scan: 4-D scan of the bolus.
        output: folder for the maps.
        te_ms: echo time in ms; None takes the time in the JSON of the scan.
        tr_s: time between volumes in s; None takes the time in the JSON of the scan.
        aif: mask of an artery; None finds voxels with early, high and narrow curves.
        mask: voxels that get a value; None takes all voxels that are not air.
        skip: number of volumes before a steady state, which are left out.
        baseline: number of volumes between `skip` and the bolus; None finds it from the mean
            signal.
        leakage: whether to correct for contrast agent outside of vessels.
        first_pass: whether CBV is the area of fitted gamma variates, without recirculation.
        tissue_factor: (1 − haematocrit of arteries) / (1 − haematocrit of capillaries) / density.
        cut: share of the largest singular value below which values are left out.
        overwrite: whether files that neurotarget did not write may be replaced.

    Returns:
        Files by name: `cbv` in ml/100 g, `cbf` in ml/100 g/min, `mtt` and `tmax` in s, and `k2` in
        1/s with `leakage`. With a tissue factor of 1, volumes and flows are per 100 ml.

    Raises:
        DataError: a file cannot be read, a time is absent, or no bolus is found.
    """
    read = read_timed(scan, fewest=FEWEST_TIMES + 1)
    te_s = stated(read, "te_ms", None if te_ms is None else te_ms / 1000, "EchoTime", TE_LIMITS_S)
    tr_s = stated(read, "tr_s", tr_s, "RepetitionTime", TR_LIMITS_S)
    inside = bright(read, skip + 1) if mask is None else read_mask(mask, read)
    count = baseline or bolus_arrival(read.signals[inside].mean(axis=0), skip=skip)
    curves = concentrations(read.signals[inside], te_s, count, skip=skip)[:, skip:]
    artery, chosen = arterial_curve(curves, inside, None if aif is None else read_mask(aif, read))
    known = np.isfinite(curves).all(axis=1)
    rate = None
    if leakage:
        corrected, rate = leakage_corrected(curves, intact_curve(curves[known], count), tr_s)
        curves = corrected
    made = perfusion(
        curves, artery, tr_s, tissue_factor=tissue_factor, cut=cut, only_first_pass=first_pass
    )
    per_100 = "100 g" if tissue_factor != 1 else "100 ml"
    maps = [
        MadeMap("cbv", on_grid(made.cbv, inside), f"ml/{per_100}", "cerebral blood volume"),
        MadeMap("cbf", on_grid(made.cbf, inside), f"ml/{per_100}/min", "cerebral blood flow"),
        MadeMap("mtt", on_grid(made.mtt_s, inside), "s", "mean transit time"),
        MadeMap("tmax", on_grid(made.tmax_s, inside), "s", "time to the largest residue"),
    ]
    if rate is not None:
        maps.append(MadeMap("k2", on_grid(rate, inside), "1/s", "rate of leakage"))
    about: dict[str, Any] = {
        "EchoTime": te_s,
        "RepetitionTime": tr_s,
        "VolumesSkipped": skip,
        "VolumesBeforeBolus": count,
        "ArterialVoxels": chosen,
        "ArterialCurve_per_s": artery.round(4).tolist(),
        "TissueFactor": tissue_factor,
        "Cut": cut,
        "LeakageCorrected": leakage,
        "FirstPass": first_pass,
        "Method": "block-circulant deconvolution, doi:10.1002/mrm.10522",
    }
    return write_maps(maps, read, output, about, overwrite=overwrite)


def stated(
    scan: TimedScan, name: str, given: float | None, key: str, limits: tuple[float, float]
) -> float:
    """Return a time in s, as given or from the sidecar.

    Args:
        scan: scan with its sidecar.
        name: name of the argument in messages, such as te_ms.
        given: time in s; None takes the time in the sidecar.
        key: key of the sidecar, in which BIDS gives times in s.
        limits: lowest and highest plausible time in s; outside of them the unit is wrong.

    Raises:
        DataError: the time is absent, no number, or outside the limits.
    """
    value = scan.sidecar.get(key) if given is None else given
    place = {"file": str(scan.path)}
    if not isinstance(value, int | float):
        todo = f"give {name}=<time>"
        wanted = f"{name}, or {key} in the scan's JSON"
        raise DataError(error(f"no {name}", wanted, todo, **place))
    if not limits[0] <= value <= limits[1]:
        wanted = f"{limits[0]:g} to {limits[1]:g} s"
        raise DataError(error(f"{key} of {value:g} s", wanted, f"correct {name}", **place))
    return float(value)


def arterial_curve(
    curves: Float[ndarray, "V T"],
    inside: Bool[ndarray, "I J K"],
    artery: Bool[ndarray, "I J K"] | None,
) -> tuple[Float[ndarray, " T"], list[list[int]]]:
    """Mean concentration of an artery over time, and its voxels.

    Args:
        curves: concentrations of the voxels in `inside`, in that order; NaN if the signal gives no
            concentration.
        inside: voxels that have a curve.
        artery: mask of an artery, whose voxels outside of `inside` are ignored; None finds voxels
            with early, high and narrow curves.

    Returns:
        The curve, and the voxels as lists [i, j, k] for the JSON.

    Raises:
        DataError: no voxel of the artery's mask has a curve, or too few curves have a bolus.
    """
    places = np.argwhere(inside)
    if artery is None:
        chosen = find_artery(curves)
    else:
        chosen = np.flatnonzero(artery[inside] & np.isfinite(curves).all(axis=1))
        if not len(chosen):
            todo = "draw it within the brain, where the signal falls early"
            raise DataError(error("no voxel of aif with a curve", "at least one", todo))
    return curves[chosen].mean(axis=0), places[chosen].tolist()


def intact_curve(curves: Float[ndarray, "V T"], baseline: int) -> Float[ndarray, " T"]:
    """Mean curve of voxels without leakage, whose curves end near the median of all ends.

    The end is the last tenth of the volumes, and at least three. If all voxels with a bolus leak,
    the mean of all of them is returned.

    Args:
        curves: concentrations without NaN.
        baseline: number of volumes before the bolus, from which the noise is computed.
    """
    noise = curves[:, :baseline].std(axis=1)
    end = curves[:, -max(len(curves[0]) // 10, 3) :].mean(axis=1)
    has_bolus = curves.max(axis=1) > np.median(curves.max(axis=1)) / 2
    intact = has_bolus & (np.abs(end - np.median(end)) <= INTACT_SD * np.maximum(noise, end.std()))
    return curves[intact if intact.any() else has_bolus].mean(axis=0)
