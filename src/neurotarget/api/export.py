"""Export of trained networks from Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from neurotarget.api.predict import RunFolder, place_of
from neurotarget.runs.sharing.export_runs import export_runs


@dataclass(frozen=True)
class NetworkFile:
    """One file with trained networks, and its model card as Markdown; `predict` takes the file."""

    file: Path
    card: str
    sha256: str  # of the content

    def __fspath__(self) -> str:
        return str(self.file)

    def _repr_html_(self) -> str:
        return f"<p><code>{escape(str(self.file))}</code></p><pre>{escape(self.card)}</pre>"


def export(
    run: RunFolder | Path | str | Sequence[RunFolder | Path | str],
    output: Path | str,
    **settings: object,
) -> NetworkFile:
    """Write a finished run, or several as an ensemble, into one file to share.

    Args:
        run: a run, its folder, a folder of several runs, or a list of these.
        output: the file, whose name ends in .safetensors, or the folder of a bundle.
        settings: those of `neurotarget.runs.sharing.export_runs.export_runs`, such as card, half,
            name, ensemble, overwrite, and kind="monai" for a bundle of MONAI.

    Raises:
        DataError: a run cannot be read, or the file cannot be written.
    """
    is_list = isinstance(run, Sequence) and not isinstance(run, str)
    runs = [place_of(one) for one in (run if is_list else [run])]
    exported = export_runs(runs, output, **settings)
    return NetworkFile(exported.file, exported.card, exported.sha256)
