"""`neurotarget dsc`: perfusion maps from a dynamic susceptibility contrast (DSC) scan."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from neurotarget.cli.arguments import FILE, Positional, read_arguments
from neurotarget.cli.settings import integer, number
from neurotarget.physics.perfusion import CUT, TISSUE_FACTOR
from neurotarget.reconstruction.perfusion_maps import make_dsc


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command, those of `make_dsc`.

    Attributes:
        te_ms: echo time; None reads it from the scan's JSON.
        tr_s: time between volumes; None reads it from the scan's JSON.
        aif: mask of an artery; None finds early, high and narrow curves.
        mask: voxels that get a value; None takes all voxels outside of air.
        skip: number of volumes before the steady state, which are left out.
        baseline: number of volumes between `skip` and the bolus; None finds it.
        leakage: correct for contrast agent that leaks out of vessels.
        first_pass: integrate fitted gamma-variate curves, which exclude recirculation.
        tissue_factor: factor for haematocrits and tissue density, ml/g.
        cut: singular values below this share of the largest are left out.
    """

    scan: Annotated[Path, Positional("a 4-D scan of a bolus"), FILE]
    output: Path
    te_ms: float | None = None
    tr_s: float | None = None
    aif: Annotated[Path, FILE] | None = None
    mask: Annotated[Path, FILE] | None = None
    skip: Annotated[int, integer(0, 1000)] = 0
    baseline: Annotated[int, integer(1, 1000)] | None = None
    leakage: bool = True
    first_pass: bool = False
    tissue_factor: Annotated[float, number(0.1, 10)] = TISSUE_FACTOR
    cut: Annotated[float, number(0.001, 0.9)] = CUT
    overwrite: bool = False


def run(argv: Sequence[str]) -> int:
    """Write the maps and print their paths; returns 0.

    Raises:
        DataError: an argument is invalid, the scan or its times cannot be used, or an output would
            replace a file that neurotarget did
            not write.
    """
    (arguments,) = read_arguments("dsc", argv, Arguments)
    given = {one.name: getattr(arguments, one.name) for one in fields(arguments)}
    for name, path in make_dsc(given.pop("scan"), given.pop("output"), **given).items():
        print(f"{name:<5}{path}")
    return 0
