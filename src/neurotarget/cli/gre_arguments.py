"""Read the scans that `neurotarget qsm` and `neurotarget swi` map, and print the outcomes."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from neurotarget.cli.arguments import FILE, Input, Positional
from neurotarget.cli.settings import Kind, one_of
from neurotarget.maps.gre_bids import SUFFIXES
from neurotarget.maps.gre_files import GREFiles
from neurotarget.reconstruction.maps_folder import Outcome

SHOWN = 8  # names in a message
BIDS = Input("BIDS folder", Path.is_dir)
OUTPUT = Input("folder", lambda path: path.is_dir() or not path.exists())
DIRECTION = Kind("three numbers such as b0=0,0,1", lambda values: len(values) == 3 and any(values))
Files = Annotated[tuple[Path, ...], FILE]


@dataclass(frozen=True, kw_only=True)
class ScanArguments:
    """Arguments for a BIDS folder or plain files, for the reading of phase, and for the output.

    Attributes:
        source: BIDS folder whose scans are all mapped; None if files are named instead.
        magnitude: one file per echo, or one 4-D file, as for `phase`, `real` and `imaginary`.
        te_ms: echo times of plain files; for a BIDS folder they are read from its sidecars.
        mask: brain mask of plain files; None derives it from the scan.
        field_t: field strength, tesla; for a BIDS folder used only if a sidecar has none.
        b0: direction of the main field along the voxel axes; None takes it from the affine.
        suffix: suffix of the scans of a BIDS folder, such as MEGRE; None takes all known suffixes.
        phase_scale: conversion of stored phase to radians: `auto`, `radians`, `range` or a factor.
        handedness: sign of the phase of paramagnetic tissue; `auto` estimates it from the data.
    """

    source: Annotated[Path, Positional("a BIDS folder"), BIDS] | None = None
    magnitude: Files = ()
    phase: Files = ()
    real: Files = ()
    imaginary: Files = ()
    te_ms: tuple[float, ...] = ()
    mask: Annotated[Path, FILE] | None = None
    field_t: float | None = None
    b0: Annotated[tuple[float, ...], DIRECTION] | None = None
    suffix: Annotated[str, one_of(*SUFFIXES)] | None = None
    output: Annotated[Path, OUTPUT]
    phase_scale: str = "auto"
    handedness: Literal["auto", 1, -1] = "auto"
    device: str = "auto"
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Check which arguments go together."""
        files_of(self).check()


def files_of(arguments: ScanArguments) -> GREFiles:
    """Return the files that the arguments name, without opening them.

    `check` of the result refuses files that do not go together, and names an absent file.
    """
    return GREFiles(*(getattr(arguments, name) for name in GREFiles._fields))


def print_outcomes(outcomes: Sequence[Outcome], output: Path, kind: str) -> int:
    """Print how many scans have maps, and the paths; returns 2 if some failed, else 0.

    Args:
        outcomes: one per scan; maps with `kept` were made by an earlier run with the same settings.
        output: the folder of the maps.
        kind: `qsm` or `swi`, which is also the name of the page.
    """
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    kept = sum(outcome.status == "kept" for outcome in outcomes)
    for outcome in outcomes:
        if outcome.note and outcome.status != "failed":
            print(f"note: {outcome.case_id}: {outcome.note}")
    kept_text = f", {kept} of them kept from before" if kept else ""
    print(f"{len(outcomes) - len(failed)} of {len(outcomes)} scans have their maps{kept_text}")
    print(f"maps  {output}\npage  {output / kind}.html")
    if failed:
        names = ", ".join(outcome.case_id for outcome in failed[:SHOWN])
        more = ", …" if len(failed) > SHOWN else ""
        again = "run the same command again once the files are corrected"
        print(f"failed: {names}{more}; the page gives the reasons; {again}", file=sys.stderr)
    return 2 if failed else 0
