"""Trained networks that come with the package, found by their names."""

from pathlib import Path
from typing import NamedTuple

from neurotarget.files.reading import is_there
from neurotarget.printable import one_line
from neurotarget.process.programs import PACKAGE
from neurotarget.runs.network.network_file import SUFFIX, read_card

FOLDER = PACKAGE / "weights"


def shipped() -> dict[str, Path]:
    """Files of the networks that come with the package, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob(f"*{SUFFIX}"))}


def file_at(place: str) -> Path:
    """A path, or the file of the shipped network of this name if nothing is at the path."""
    path = Path(place)
    return path if is_there(path) else shipped().get(place, path)


class ShippedNetwork(NamedTuple):
    """A network that comes with the package."""

    network: str  # the name by which `predict` finds it
    megabytes: float
    what: str  # first line of text in its model card


def shipped_networks() -> list[ShippedNetwork]:
    """The networks that come with the package, in the order of their names."""
    return [
        ShippedNetwork(name, path.stat().st_size / 1e6, _first_line(read_card(path)))
        for name, path in shipped().items()
    ]


def _first_line(card: str) -> str:
    """The first line of a card that is neither empty nor a heading."""
    lines = (line.strip() for line in card.splitlines())
    return one_line(next((line for line in lines if line and not line.startswith("#")), ""))
