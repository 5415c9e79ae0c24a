"""Trained networks that come with the package, found by their names."""

from pathlib import Path

from neurotarget.process.programs import PACKAGE
from neurotarget.runs.network.network_file import SUFFIX

FOLDER = PACKAGE / "weights"


def shipped() -> dict[str, Path]:
    """Files of the networks that come with the package, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob(f"*{SUFFIX}"))}
