"""Record of how a run's training films usually look, with which later films are compared."""

import logging
from pathlib import Path

from neurotarget.data.scans.film_views import Usual
from neurotarget.files.reading import BROKEN, load_json

FILE = "usual_film.json"  # in a run folder
log = logging.getLogger(__name__)


def read_usual(config_file: Path) -> Usual | None:
    """Read how a run's training films usually look; None without this record.

    Exported files do not hold it.
    """
    path = config_file.parent / FILE
    if config_file.name != "config.yaml" or not path.is_file():
        return None
    try:
        return Usual.from_plain(load_json(path))
    except BROKEN as error:
        log.warning("%s cannot be read (%s): films are not checked", path, error)
        return None
