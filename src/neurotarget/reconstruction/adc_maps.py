"""Map of the apparent diffusion coefficient from a diffusion-weighted scan."""

from collections.abc import Sequence
from pathlib import Path

from neurotarget.data.scans.volume import file_stem
from neurotarget.physics.adc import adc_fit, checked_b_values
from neurotarget.problems import DataError, error
from neurotarget.reconstruction.timed_scan import (
    MadeMap,
    bright,
    on_grid,
    read_mask,
    read_timed,
    write_maps,
)

UNIT = "10^-3 mm2/s"
METHOD = "weighted linear least squares of ln S, doi:10.1016/j.neuroimage.2013.05.028"


def make_adc(
    scan: Path,
    output: Path,
    *,
    b_values: Sequence[float] = (),
    mask: Path | None = None,
    overwrite: bool = False,
) -> dict[str, Path]:
    """Write the ADC in 10⁻³ mm²/s and the signal without diffusion, with their JSON files.

    Args:
        scan: 4-D diffusion-weighted scan.
        output: folder for the maps.
        b_values: b-values of the volumes in s/mm²; None reads the file `<scan>.bval`.
        mask: voxels that get a value; None takes all voxels that are not air.
        overwrite: whether files that neurotarget did not write may be replaced.

    Returns:
        Files by name: `adc` and `s0`. Negative values are kept, and the JSON counts them.

    Raises:
        DataError: a file cannot be read, or the b-values do not fit.
    """
    read = read_timed(scan, fewest=2)
    given = list(b_values) or read_b_values(scan)
    b = checked_b_values(given, read.signals.shape[-1])
    inside = bright(read) if mask is None else read_mask(mask, read)
    adc, first = adc_fit(read.signals[inside], b)
    maps = (
        MadeMap("adc", on_grid(adc, inside), UNIT, "apparent diffusion coefficient"),
        MadeMap("s0", on_grid(first, inside), "arbitrary", "signal without diffusion"),
    )
    negative = int((adc < 0).sum())
    about = {"BValues_s_per_mm2": b.tolist(), "Method": METHOD, "VoxelsBelow0": negative}
    return write_maps(maps, read, output, about, overwrite=overwrite)


def read_b_values(scan: Path) -> list[float]:
    """b-values in s/mm² from the file `<scan>.bval` next to a scan, as FSL and BIDS write it.

    Returns:
        The b-values in the order of the file; `checked_b_values` compares their number with that of
        the volumes.

    Raises:
        DataError: the file is absent, or contains text that is no number.
    """
    path = scan.with_name(f"{file_stem(scan)}.bval")
    if not path.is_file():
        todo = "give b_values=0,1000, one per volume"
        raise DataError(error("no b-values", f"the file {path.name} next to the scan", todo))
    try:
        return [float(word) for word in path.read_text("utf-8").split()]
    except ValueError as wrong:
        todo = "correct the file, or give b_values=0,1000"
        raise DataError(error("other text", "numbers in s/mm²", todo, file=str(path))) from wrong
