"""Error messages about recorded settings of a resumed run: they name the file of the record."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from neurotarget.problems import DataError
from neurotarget.runs.folder.jobs import key_of
from neurotarget.runs.folder.run_folder import OVERRIDES, read_overrides


@contextmanager
def recorded(folder: str | None, argv: Sequence[str]) -> Iterator[None]:
    """Add the path of the run's record to errors about settings that come from it.

    `argv` is the whole command line: the recorded overrides that are still in effect, and those
    typed now. Without a folder all were typed.

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
