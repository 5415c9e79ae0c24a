"""What a machine refuses a training, memory above all, as a sentence with the way on."""

from collections.abc import Iterator
from contextlib import contextmanager

from neurotarget.types import CaseError, DataError

WORKER = "DataLoader worker"  # how torch begins or names the death of one
MEMORY = ("out of memory", "can't allocate memory", "not enough memory")  # torch's words


@contextmanager
def breakdowns(going_on: str) -> Iterator[None]:
    """Raise lack of memory and dead workers as DataError; `going_on` is the command to say then.

    Raises:
        DataError: memory did not suffice, or the system ended a process that makes patches.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, CaseError) or (todo := _todo(error)) is None:
            raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"training: {reason}; {todo}, close other programs, and go on with: {going_on}"
        ) from error


def _todo(error: MemoryError | RuntimeError) -> str | None:
    """What to do about it; None for an error of another kind."""
    text = str(error)
    if WORKER in text:
        return "usually memory is what lacks: say fewer data.workers (0 for none)"
    if isinstance(error, MemoryError) or any(words in text for words in MEMORY):
        return "say a smaller data.batch_size or patch_vox, or fewer data.workers"
    return None
