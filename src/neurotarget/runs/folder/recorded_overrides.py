"""Settings that a run goes on with: the file they lie in is named in what is wrong with them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from neurotarget.problems import DataError
from neurotarget.runs.folder.run_folder import OVERRIDES, read_words


@contextmanager
def recorded(folder: str | None, argv: Sequence[str]) -> Iterator[None]:
    """Name the record of the run in `folder` in refusals of settings that come from there.

    `argv` is the whole command line: the recorded words that nothing typed now takes the place of,
    and those that are typed. Without a folder all was typed.

    Raises:
        DataError: as what is done within.
    """
    try:
        yield
    except DataError as error:
        path = Path(folder or "") / OVERRIDES
        if not folder or not path.is_file():
            raise
        words = [word for word in read_words(path.parent) if word in argv]
        keys = [word.partition("=")[0].lstrip("+~") for word in words]
        lines = str(error).splitlines()
        raise DataError(
            [f"{path}: {line}" if any(map(line.__contains__, keys)) else line for line in lines]
        ) from error
