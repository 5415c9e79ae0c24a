"""`neurotarget adc`: the apparent diffusion coefficient from a diffusion-weighted scan."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from neurotarget.cli.arguments import FILE, Positional, read_arguments
from neurotarget.reconstruction.adc_maps import make_adc


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command.

    Attributes:
        scan: diffusion-weighted volumes in one 4-D file.
        output: folder for the maps, named after the scan.
        b_values: b-value of each volume, s/mm²; if empty, read from the `.bval` file of the scan.
        mask: voxels that get a value; None takes all voxels outside of air.
        overwrite: replace files that neurotarget did not write.
    """

    scan: Annotated[Path, Positional("a 4-D diffusion-weighted scan"), FILE]
    output: Path
    b_values: tuple[float, ...] = ()
    mask: Annotated[Path, FILE] | None = None
    overwrite: bool = False


def run(argv: Sequence[str]) -> int:
    """Write the maps and print their paths; returns 0.

    Raises:
        DataError: an argument is invalid, the scan or its b-values cannot be used, or an output
            would replace a file that neurotarget did not write.
    """
    (arguments,) = read_arguments("adc", argv, Arguments)
    paths = make_adc(
        arguments.scan,
        arguments.output,
        b_values=arguments.b_values,
        mask=arguments.mask,
        overwrite=arguments.overwrite,
    )
    for name, path in paths.items():
        print(f"{name}  {path}")
    return 0
