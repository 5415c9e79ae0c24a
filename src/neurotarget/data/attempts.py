"""Work on many cases: an error becomes a message about its case, and the other cases continue."""

import os
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from neurotarget.files.drafts import draft_path
from neurotarget.printable import encodable
from neurotarget.problems import DataError
from neurotarget.problems import error as problem
from neurotarget.types import Case

T = TypeVar("T")
LONGEST_NAME = 255  # bytes, on the file systems of Linux, macOS and Windows
MEMORY_ADVICE = "close other programs, set fewer workers, or device=cpu"


def reason_of(error: Exception) -> str:
    """Message of an exception on one line; NEUROTARGET_TRACEBACK=1 prints its stack.

    A lack of memory, which PyTorch reports as a RuntimeError, is named with advice. The message of
    any other exception starts with its type and is cut after 300 characters.
    """
    text = " ".join(str(error).split())
    if isinstance(error, DataError):
        return text
    if os.environ.get("NEUROTARGET_TRACEBACK"):
        traceback.print_exception(error)
    if _is_memory(error):
        return f"out of memory ({text[:200] or type(error).__name__}); {MEMORY_ADVICE}"
    return f"{type(error).__name__}: {text[:300]}"


def as_data_error(error: Exception, case_id: str) -> DataError:
    """Convert an exception to a DataError that names the case.

    A DataError with problems is returned unchanged, since they name the case and the file.
    """
    if isinstance(error, DataError) and error.problems:
        return error
    if isinstance(error, DataError):
        return DataError(text if case_id in (text := str(error)) else f"{case_id}: {text}")
    memory = ("more memory, or a smaller scan", MEMORY_ADVICE)
    other = ("a case that can be read", "look at its files, or leave it out")
    wanted, todo = memory if _is_memory(error) else other
    return DataError(problem(reason_of(error), wanted, todo, case_id=case_id))


@contextmanager
def attempts(
    function: Callable[[Case], T], cases: Iterable[Case], workers: int
) -> Iterator[Iterator[T | DataError]]:
    """Call a function with each case, in threads.

    Once the block is left only running calls finish: `ThreadPoolExecutor` alone would finish all
    pending cases, for hours, before it raises an error or ends a stopped command.

    Args:
        function: called with each case; an exception becomes a DataError that names the case.
        cases: read at once, before the first result.
        workers: number of threads, at least one.

    Yields:
        Iterator over the results, in the order of the cases; a failed case gives its DataError.
    """

    def attempt(case: Case) -> T | DataError:
        """Return the result of one case, or its DataError."""
        try:
            return function(case)
        except Exception as error:
            return as_data_error(error, case.case_id)

    pool = ThreadPoolExecutor(max_workers=max(workers, 1))
    try:
        yield pool.map(attempt, cases)
    finally:
        pool.shutdown(cancel_futures=True)


def check_names(case_id: str, files: Iterable[Path]) -> None:
    """Refuse a case whose files could not be written under their names.

    Raises:
        DataError: a name is not UTF-8, or is longer than file systems allow.
    """
    wanted, todo = "letters of UTF-8", "rename its file"
    name = encodable(case_id)
    if name != case_id:
        raise DataError(problem("a name in another encoding", wanted, todo, case_id=name))
    most = LONGEST_NAME - len(draft_path(Path("-")).name) + 1
    longest = max((len(os.fsencode(path.name)) for path in files), default=0)
    if longest > most:
        found, wanted = f"a name of {longest} bytes for what is written", f"at most {most}"
        raise DataError(problem(found, wanted, "shorten its name", case_id=f"{name[:40]}…"))


def _is_memory(error: Exception) -> bool:
    # torch raises RuntimeError if memory is lacking
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and "memory" in str(error)
    )
