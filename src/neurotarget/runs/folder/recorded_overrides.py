"""Overrides that a run was started with, and errors about them, which name their file."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from neurotarget.files.reading import load_yaml
from neurotarget.problems import DataError
from neurotarget.runs.folder.jobs import key_of
from neurotarget.runs.folder.moved_names import present_overrides

OVERRIDES = "overrides.yaml"


@contextmanager
def recorded(folder: str | None, argv: Sequence[str]) -> Iterator[None]:
    """Add the path of the run's record to errors about settings that come from it.

    Args:
        folder: of a resumed run; None if all overrides were typed.
        argv: the whole command line: the recorded overrides that are still in effect, and those
            typed now.

    Raises:
        DataError: as raised in the block.
    """
    try:
        yield
    except DataError as error:
        path = Path(folder or "") / OVERRIDES
        if not folder or not path.is_file():
            raise
        overrides = [override for override in read_overrides(path.parent) if override in argv]
        keys = list(map(key_of, overrides))
        lines = str(error).splitlines()
        raise DataError(
            [f"{path}: {line}" if any(map(line.__contains__, keys)) else line for line in lines]
        ) from error


def read_overrides(folder: Path) -> list[str]:
    """Overrides that a run was started with.

    Raises:
        DataError: this is not a run folder, or the run ended before it was recorded.
    """
    path = Path(folder) / OVERRIDES
    try:
        overrides = load_yaml(path) or []
        if not isinstance(overrides, list):
            raise ValueError("no list")
    except (OSError, ValueError) as error:
        raise DataError(
            f"resume={folder}: found no overrides.yaml that can be read there, wanted the folder "
            "of a run that was started; set resume=runs/<experiment>/<date_time>, or start a new "
            "run"
        ) from error
    return [*present_overrides(overrides)]
