"""Maps of diffusion and perfusion from Python."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurotarget.reconstruction.adc_maps import make_adc
from neurotarget.reconstruction.perfusion_maps import make_dsc


def adc(
    scan: Path | str,
    output: Path | str,
    *,
    b_values: Sequence[float] = (),
    mask: Path | str | None = None,
    overwrite: bool = False,
) -> dict[str, Path]:
    """Write the apparent diffusion coefficient of a scan, in 10⁻³ mm²/s.

    Args:
        scan: 4-D diffusion-weighted scan.
        output: folder for the maps.
        b_values: one per volume of the scan, in s/mm²; by default those of `<scan>.bval`.
        mask: voxels that get a value; by default all voxels outside of air.
        overwrite: whether files that neurotarget did not write may be replaced.

    Returns:
        Paths of the maps, by the names adc and s0.

    Raises:
        DataError: a file cannot be read, or the b-values do not fit.
    """
    inside = None if mask is None else Path(mask)
    given = {"b_values": b_values, "mask": inside, "overwrite": overwrite}
    return make_adc(Path(scan), Path(output), **given)


def dsc(
    scan: Path | str,
    output: Path | str,
    *,
    aif: Path | str | None = None,
    mask: Path | str | None = None,
    **settings: Any,  # noqa: ANN401
) -> dict[str, Path]:
    """Write perfusion maps of a DSC scan: blood volume, blood flow, transit time and leakage.

    Args:
        scan: 4-D scan of the passage of a contrast agent.
        output: folder for the maps.
        aif: mask of an artery, for the arterial input function; by default voxels with early, high
            and narrow curves are found.
        mask: voxels that get a value; by default all voxels outside of air.
        settings: those of `reconstruction.perfusion_maps.make_dsc`, such as `te_ms=30, tr_s=1.5`.

    Returns:
        Paths of the maps, by the names cbv, cbf, mtt, tmax and k2.

    Raises:
        DataError: a file cannot be read, a time is absent, or no bolus is found.
    """
    masks = {
        name: None if path is None else Path(path) for name, path in (("aif", aif), ("mask", mask))
    }
    return make_dsc(Path(scan), Path(output), **masks, **settings)
