"""Arguments of `neurotarget qsm` and `neurotarget swi` that name scans, and their outcomes."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from neurotarget.cli.arguments import FILE, Input, Positional
from neurotarget.cli.settings import Kind, one_of
from neurotarget.data.scans.volume import file_stem
from neurotarget.maps.gre import Acquisition
from neurotarget.maps.gre_bids import SUFFIXES, Scans, scan_acquisitions
from neurotarget.problems import DataError
from neurotarget.reconstruction.maps_folder import Outcome

SHOWN = 8  # names in a message
PAIRS = (("magnitude", "phase"), ("real", "imaginary"))
PLAIN = (*PAIRS[0], *PAIRS[1], "te_ms", "mask")  # arguments for files without sidecars
BIDS = Input("BIDS folder", Path.is_dir)
OUTPUT = Input("folder", lambda path: path.is_dir() or not path.exists())
DIRECTION = Kind("three numbers such as b0=0,0,1", lambda values: len(values) == 3 and any(values))
Files = Annotated[tuple[Path, ...], FILE]


@dataclass(frozen=True, kw_only=True)
class ScanArguments:
    """A BIDS folder or plain files, how their phase is read, and where maps go."""

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
        plain = [name for name in PLAIN if getattr(self, name)]
        if self.source:
            if plain:
                raise DataError(
                    f"{plain[0]}=: has no meaning with a BIDS folder; leave one of them out"
                )
            return
        if all(any(getattr(self, name) for name in pair) for pair in PAIRS):
            raise DataError(
                "found magnitude= or phase= with real= or imaginary=, wanted one of the two pairs; "
                "leave the other out"
            )
        needed = (*self.pair, "te_ms", "field_t")
        if absent := [name for name in needed if getattr(self, name) in ((), None)]:
            raise DataError(
                f"found no {', '.join(f'{name}=' for name in absent)}, wanted a BIDS folder, or "
                "magnitude=, phase=, te_ms= and field_t="
            )
        if self.suffix:
            raise DataError("suffix=: belongs to a BIDS folder; leave it out")

    @property
    def pair(self) -> tuple[str, str]:
        """Names of the two arguments that hold the signal."""
        return PAIRS[1] if self.real or self.imaginary else PAIRS[0]


def scans_of(arguments: ScanArguments) -> Scans:
    """Scans that the arguments name, and problems of those that cannot be used."""
    if arguments.source:
        return scan_acquisitions(
            arguments.source, suffix=arguments.suffix, field_t=arguments.field_t, b0=arguments.b0
        )
    magnitudes, phases = (getattr(arguments, name) for name in arguments.pair)
    stem = file_stem(magnitudes[0])
    acquisition = Acquisition(
        stem,
        magnitudes,
        phases,
        tuple(round(time_ms / 1000, 9) for time_ms in arguments.te_ms),
        arguments.field_t,
        b0=arguments.b0,
        mask=arguments.mask,
        stem=stem,
        sources=tuple(path.name for path in (*magnitudes, *phases)),
        is_complex=arguments.pair == PAIRS[1],
    )
    return Scans([acquisition], [])


def print_outcomes(outcomes: Sequence[Outcome], output: Path, kind: str) -> int:
    """Print how many scans have maps, and the paths; returns 2 if some failed, else 0."""
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
        again = "run the same command again when that is corrected"
        print(f"failed: {names}{more}; the page says why, and {again}", file=sys.stderr)
    return 2 if failed else 0
