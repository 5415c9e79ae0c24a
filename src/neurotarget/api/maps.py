"""Susceptibility maps and susceptibility-weighted images from Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from neurotarget.api.notebook_html import html_page, html_table
from neurotarget.maps.gre_files import GREFiles
from neurotarget.physics.qsm import QSM
from neurotarget.physics.swi import SWI
from neurotarget.reconstruction.maps_folder import Outcome
from neurotarget.reconstruction.qsm_maps import make_qsm
from neurotarget.reconstruction.swi_images import make_swi

PLACES = ("source", "mask")  # arguments that are one path
FILES = ("magnitude", "phase", "real", "imaginary")  # and those that are one or several


@dataclass(frozen=True)
class Maps:
    """Maps of scans: a table of the scans, and the page with pictures of all."""

    table: pd.DataFrame  # one row per scan: case_id, status, path of the main map, note
    report: Path

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], report: Path) -> Maps:
        """Build the table of a command's outcomes, one row per scan."""
        rows = [(one.case_id, one.status, one.main, one.note) for one in outcomes]
        return cls(pd.DataFrame(rows, columns=["case_id", "status", "map", "note"]), report)

    @property
    def failed(self) -> pd.DataFrame:
        """Rows of scans without maps, with the reason as their note."""
        return self.table[self.table["status"] == "failed"]

    def __str__(self) -> str:
        made = len(self.table) - len(self.failed)
        return f"{made} of {len(self.table)} scans have their maps; report {self.report}"

    def _repr_html_(self) -> str:
        return html_page("Maps", self.report, html_table(self.table), f"<p>{escape(str(self))}</p>")


def qsm(
    source: Path | str | None = None,
    output: Path | str = "maps",
    *,
    phase_scale: str = "auto",
    device: str = "auto",
    overwrite: bool = False,
    files: dict[str, Any] | None = None,
    **steps: Any,  # noqa: ANN401
) -> Maps:
    """Write susceptibility maps in ppm of gradient-echo scans.

    ```
    nt.qsm("bids", "maps", background="pdf", inversion="tv")
    nt.qsm(output="maps", files={"magnitude": "m.nii", "phase": "p.nii", "te_ms": 20, "field_t": 3})
    ```

    Args:
        source: a BIDS folder; without it, `files` names the files of one scan.
        output: folder for the maps; scans whose maps are finished are kept.
        phase_scale: storage of phase: auto, radians, range, or radians per stored unit.
        device: `auto`, `cpu`, `cuda` or `mps`.
        overwrite: whether finished scans are made again, and files of other programs replaced.
        files: fields of `maps.gre_files.GREFiles`: magnitude and phase, or real and imaginary
            (a path, or one per echo), te_ms, field_t, b0, mask; for a BIDS folder suffix, field_t,
            b0.
        steps: fields of `physics.qsm.QSM`, such as `background`, `inversion`, `handedness`.

    Raises:
        DataError: a step or file is invalid, no scan can be read, or an output would replace an
            input; scans that fail later are rows of the result.
    """
    chain = QSM(**steps)
    settings = {"phase_scale": phase_scale, "device": device, "overwrite": overwrite}
    outcomes = make_qsm(_scans(source, files), Path(output), chain=chain, **settings)
    return Maps.of(outcomes, Path(output) / "qsm.html")


def swi(
    source: Path | str | None = None,
    output: Path | str = "maps",
    *,
    axis: str = "auto",
    handedness: str | int = "auto",
    phase_scale: str = "auto",
    device: str = "auto",
    overwrite: bool = False,
    files: dict[str, Any] | None = None,
    **steps: Any,  # noqa: ANN401
) -> Maps:
    """Write susceptibility-weighted images, their minimum projections and filtered phase.

    Args:
        source: a BIDS folder; without it, `files` names the files of one scan, as in `nt.qsm`.
        output: folder for the images; scans whose images are finished are kept.
        axis: voxel axis across the slices, "0" to "2", or "auto".
        handedness: sign of the phase of paramagnetic tissue, 1 or -1, or "auto".
        phase_scale: storage of phase: auto, radians, range, or radians per stored unit.
        device: `auto`, `cpu`, `cuda` or `mps`.
        overwrite: whether finished scans are made again, and files of other programs replaced.
        files: as in `nt.qsm`.
        steps: fields of `physics.swi.SWI`, such as `mip_mm`.

    Raises:
        DataError: a step or file is invalid, no scan can be read, or an output would replace an
            input; scans that fail later are rows of the result.
    """
    outcomes = make_swi(
        _scans(source, files),
        Path(output),
        chain=SWI(**steps),
        axis=axis,
        handedness=handedness,
        phase_scale=phase_scale,
        device=device,
        overwrite=overwrite,
    )
    return Maps.of(outcomes, Path(output) / "swi.html")


def _scans(source: Path | str | None, files: dict[str, Any] | None) -> Any:  # noqa: ANN401
    given = {"source": source, **(files or {})}
    for name, value in given.items():
        if value is None:
            continue
        several = [value] if isinstance(value, str | Path | int | float) else list(value)
        if name in FILES:
            given[name] = tuple(map(Path, several))
        elif name in PLACES:
            given[name] = Path(value)
        elif name == "te_ms":
            given[name] = tuple(map(float, several))
    return GREFiles(**given).scans()
