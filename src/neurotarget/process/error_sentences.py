"""Write the reason of a failure as one sentence, for tables and logs."""

from neurotarget.problems import CaseError, DataError

SHOWN = 400  # characters of a reason
ENDED = "ended without a result: it was killed, or ran out of memory, disk or time"


def reason_of(error: BaseException) -> str:
    """Return the reason of an error in one line.

    Errors of neurotarget, of files and of memory give their message; any other error gives its type
    and message. A DataError with several problems gives the first error and the number of further
    problems. An exit within a worker gives its cause, or its status. Messages are cut after `SHOWN`
    characters.
    """
    if isinstance(error, SystemExit):
        why = error.__context__
        return reason_of(why) if why is not None else f"it exited with status {error.code}"
    if isinstance(error, DataError):
        return _data_reason(error)
    if isinstance(error, CaseError):  # a worker sends its whole stack; the last line is our message
        return _short(str(error).strip().splitlines()[-1])
    if isinstance(error, MemoryError):
        detail = _short(str(error)) or "none left"
        return f"out of memory ({detail}); close other programs, or use a machine with more"
    if isinstance(error, UnicodeEncodeError):
        return unwritable(error)
    if isinstance(error, OSError) and error.strerror:
        return _short(f"{error.filename}: {error.strerror}" if error.filename else error.strerror)
    message = _short(str(error))
    if type(error).__name__ == "TrialPruned":  # raised by Optuna; not an error
        return message
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def unwritable(error: UnicodeEncodeError) -> str:
    """Return a sentence about a name with characters that the encoding of this locale lacks.

    The name starts at the last space before the characters, and is shown with escapes.
    """
    before = error.object[: error.start].split()[-1:] if error.start else []
    name = "".join(before) + error.object[error.start : error.end]
    return (
        f"{name!a}: found letters that {error.encoding} does not have, wanted a name that this "
        "locale can write; set PYTHONUTF8=1 before the command, or rename it"
    )


def _data_reason(error: DataError) -> str:
    worst = sorted(error.problems, key=lambda problem: problem.level != "error")
    if not worst:
        return _short(str(error))
    more = f" (and {len(worst) - 1} more)" if len(worst) > 1 else ""
    return _short(str(worst[0])) + more


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= SHOWN else f"{plain[: SHOWN - 1]}…"
