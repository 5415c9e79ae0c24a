"""Sources of a run's cases: the user's own files or a public data set; cohorts are in `phantom`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from neurotarget.data.cases.download import fetch
from neurotarget.files.reading import is_there
from neurotarget.problems import DataError


class Source(Protocol):
    """A source that provides a data set on disk."""

    def obtain(self, root: str | None) -> Path:
        """Return the path of a manifest or data set that `read_manifest` understands.

        Args:
            root: the setting `data.root`; None where it is not set.

        Raises:
            DataError: the data cannot be found, downloaded or generated.
        """

    def planted(self, root: str | None) -> Mapping[str, float]:
        """Return true effects by hypothesis, in the quantity's unit; empty for real data."""


@dataclass(frozen=True)
class Files:
    """The user's own manifest or data set."""

    def obtain(self, root: str | None) -> Path:
        """Return the path given as `data.root`.

        Raises:
            DataError: `data.root` is not set, or the path does not exist.
        """
        if root is None:
            raise DataError(
                "data.root is not set; give the manifest (CSV or TSV), MSD, nnU-Net or BIDS "
                "folder to work on: data.root=<path>"
            )
        if not is_there(root):  # for a broken link the reader's message is better
            raise DataError(f"data.root: no such file or folder: {root}; check the path")
        return Path(root)

    def planted(self, root: str | None) -> Mapping[str, float]:  # noqa: ARG002
        """No effects: real data have none planted."""
        return {}


@dataclass(frozen=True)
class Public:
    """A public data set, downloaded once and verified, unless `root` is its folder."""

    name: str
    folder: str

    def obtain(self, root: str | None) -> Path:
        """Return the path of the data set; download it if necessary.

        Raises:
            DataError: `root` does not exist, or the data set cannot be fetched (see `fetch`).
        """
        return Files().obtain(root) if root else fetch(self.name, Path(self.folder))

    def planted(self, root: str | None) -> Mapping[str, float]:  # noqa: ARG002
        """No effects: real data have none planted."""
        return {}
