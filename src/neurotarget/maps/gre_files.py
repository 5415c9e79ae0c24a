"""Gradient-echo scans of a BIDS folder, or the files of one scan, as a user names them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from neurotarget.data.scans.volume import file_stem
from neurotarget.maps.gre import Acquisition
from neurotarget.maps.gre_bids import Scans, scan_acquisitions
from neurotarget.problems import DataError
from neurotarget.types import Triple

PAIRS = (("magnitude", "phase"), ("real", "imaginary"))
PLAIN = (*PAIRS[0], *PAIRS[1], "te_ms", "mask")  # arguments for files without sidecars


class GREFiles(NamedTuple):
    """A BIDS folder, or the files of one scan: magnitude and phase, or real and imaginary parts.

    Files are listed in the order of the echoes. `field_t`, the field strength in T, is used for
    scans whose sidecars have none. `b0`, the direction of the main field along the voxel axes, is
    used for all scans.
    """

    source: Path | None = None  # a BIDS folder
    magnitude: Sequence[Path] = ()
    phase: Sequence[Path] = ()
    real: Sequence[Path] = ()
    imaginary: Sequence[Path] = ()
    te_ms: Sequence[float] = ()  # echo times
    mask: Path | None = None  # of the brain
    field_t: float | None = None
    b0: Triple | None = None
    suffix: str | None = None  # MEGRE, GRE or T2starw; None takes all scans of a BIDS folder

    def check(self) -> None:
        """Check that the given fields go together and that none is absent.

        Raises:
            DataError: two fields exclude each other, or one is absent.
        """
        if self.source:
            if plain := [name for name in PLAIN if getattr(self, name)]:
                raise DataError(
                    f"{plain[0]}=: has no meaning with a BIDS folder; leave one of the two out"
                )
            return
        if all(any(getattr(self, name) for name in pair) for pair in PAIRS):
            raise DataError(
                "found magnitude= or phase= with real= or imaginary=, wanted one of the two pairs; "
                "leave the other pair out"
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
        """Names of the two fields that hold the signal."""
        return PAIRS[1] if self.real or self.imaginary else PAIRS[0]

    def scans(self) -> Scans:
        """The scans, and the problems of those that cannot be used.

        Raises:
            DataError: the files do not go together, or the folder is no BIDS data set.
        """
        self.check()
        if self.source:
            return scan_acquisitions(
                self.source, suffix=self.suffix, field_t=self.field_t, b0=self.b0
            )
        magnitudes, phases = (tuple(getattr(self, name)) for name in self.pair)
        stem = file_stem(magnitudes[0])
        acquisition = Acquisition(
            stem,
            magnitudes,
            phases,
            tuple(round(time_ms / 1000, 9) for time_ms in self.te_ms),
            self.field_t,
            b0=self.b0,
            mask=self.mask,
            stem=stem,
            sources=tuple(path.name for path in (*magnitudes, *phases)),
            is_complex=self.pair == PAIRS[1],
        )
        return Scans([acquisition], [])
