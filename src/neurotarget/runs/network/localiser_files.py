"""Files of a finished localiser, in the cache and in a run: reading, and a completeness check."""

from pathlib import Path
from typing import Any, NamedTuple

from neurotarget.data.batches.target_boxes import Boxes
from neurotarget.files.reading import load_json
from neurotarget.inference.localiser import Limits
from neurotarget.problems import DataError
from neurotarget.runs.folder.run_folder import load_state, read_config
from neurotarget.runs.network.localisations import localisation_sentences

BOXES = "boxes.json"  # written last: its presence marks a complete localiser
LIMITS = "localiser.json"


class Localised(NamedTuple):
    """Result of the first stage of a cascade.

    Attributes:
        boxes: of the masks, and of the localiser on unseen subjects.
        facts: statistics for each part of the data, as `localisations` counts them.
        lines: the same as sentences for the terminal.
    """

    boxes: Boxes
    facts: dict[str, Any]
    lines: list[str]


def read_localised(folder: Path) -> Localised:
    """Read the boxes and statistics of a localiser.

    Raises:
        OSError: there is no such file.
        ValueError: the file is not as it was written.
    """
    record = load_json(folder / BOXES)
    try:
        facts = dict(record["facts"])
        return Localised(Boxes.from_dict(record["boxes"]), facts, localisation_sentences(facts))
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError("no boxes of a localiser") from error


def localiser_facts(folder: Path) -> dict[str, Any]:
    """Statistics of a localiser; empty if there is none, or none that can be read."""
    try:
        return read_localised(folder).facts
    except (OSError, ValueError):
        return {}


def is_whole(folder: Path, weights: Path) -> bool:
    """Return whether all files of a localiser can be read; prints which one is broken.

    Args:
        folder: of its boxes, limits and config.
        weights: its checkpoint.
    """
    if not (folder / BOXES).is_file():
        return False
    for path, read in (
        (folder / BOXES, lambda: read_localised(folder)),
        (folder / LIMITS, lambda: Limits.from_dict(load_json(folder / LIMITS))),
        (folder / "config.yaml", lambda: read_config(folder)),
        (weights, lambda: load_state(weights)),
    ):
        try:
            read()
        except (DataError, OSError, ValueError, TypeError, AttributeError):
            print(f"  {path}: is broken; the localiser is trained again", flush=True)
            return False
    return True
