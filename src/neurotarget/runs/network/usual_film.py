"""What is usual in the training films of a run, by which later films are judged."""

import logging
from pathlib import Path

from neurotarget.data.batches.cache import open_entry
from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.scans.film_views import Usual, View, usual_view
from neurotarget.files.reading import BROKEN, load_json
from neurotarget.runs.folder.run_folder import write_json

FILE = "usual_film.json"  # in a run folder
log = logging.getLogger(__name__)


def write_usual(data: TargetData, folder: Path) -> None:
    """Write what is usual in the training films; nothing where they are few or no films."""
    if not data.target.is_flat:
        return
    entries = (open_entry(data.folders[case.case_id]) for case in data.cases("train"))
    usual = usual_view([View.from_plain(entry.facts.get("view")) for entry in entries])
    if usual is not None:
        write_json(folder / FILE, usual.as_plain())


def read_usual(config_file: Path) -> Usual | None:
    """What is usual in the training films of a run; None where it has not written it.

    Exported files do not hold it.
    """
    path = config_file.parent / FILE
    if config_file.name != "config.yaml" or not path.is_file():
        return None
    try:
        return Usual.from_plain(load_json(path))
    except BROKEN as error:
        log.warning("%s cannot be read (%s): films are not judged", path, error)
        return None
