"""Trained networks that come with the package, found by their names."""

from pathlib import Path

from neurotarget.files.reading import is_there
from neurotarget.process.programs import PACKAGE
from neurotarget.runs.network.network_file import SUFFIX

FOLDER = PACKAGE / "weights"


def shipped() -> dict[str, Path]:
    """Files of the networks that come with the package, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob(f"*{SUFFIX}"))}


def file_at(place: str) -> Path:
    """A path, or the file of the shipped network of this name if nothing is at the path."""
    path = Path(place)
    return path if is_there(path) else shipped().get(place, path)
