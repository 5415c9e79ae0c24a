"""Raise lack of memory, on CPU or in a worker, as an error that states a remedy."""

from collections.abc import Iterator
from contextlib import contextmanager

from neurotarget.problems import CaseError, DataError

WORKER = "DataLoader worker"  # how torch's message about a dead worker starts
MEMORY = ("out of memory", "can't allocate memory", "not enough memory")  # in torch's messages
LESS_READ = "close other programs, remove cases or columns that are not needed"
LESS_SHOWN = "close other programs, give fewer cases="


@contextmanager
def breakdowns(resume_command: str) -> Iterator[None]:
    """Raise lack of memory and dead workers as DataError, with the command that resumes.

    Raises:
        DataError: memory did not suffice, or the system killed a DataLoader worker.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, CaseError) or (todo := _todo(error)) is None:
            raise
        raise DataError(
            f"training: {_reason(error)}; {todo}, close other programs, and resume with: "
            f"{resume_command}"
        ) from error


@contextmanager
def within_memory(what: str, todo: str) -> Iterator[None]:
    """Raise lack of memory as DataError that names the table or cases being processed.

    Raises:
        DataError: memory did not suffice.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_memory(error):
            raise
        reason = _reason(error)
        raise DataError(
            f"{what}: out of memory ({reason}); {todo}, or use a machine with more"
        ) from error


def _reason(error: MemoryError | RuntimeError) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _is_memory(error: MemoryError | RuntimeError) -> bool:
    return isinstance(error, MemoryError) or any(phrase in str(error) for phrase in MEMORY)


def _todo(error: MemoryError | RuntimeError) -> str | None:
    """Return the user's remedy for lack of memory; None for an error of another kind."""
    if WORKER in str(error):
        return "usually for lack of memory: set fewer data.workers (0 for none)"
    if _is_memory(error):
        return "set a smaller data.batch_size or patch_vox, or fewer data.workers"
    return None
