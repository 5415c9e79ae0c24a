"""Signals: Ctrl-C, SIGTERM and SIGHUP stop a command and its children with one sentence."""

import errno
import functools
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
FULL = ("out of memory", *map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)))  # or disk
ECHO_S = 2.0  # a second signal within this time is the same stop (process, then its group)


class Stopped(KeyboardInterrupt):
    """Raised on a signal that ends this process; unlike KeyboardInterrupt, has the signal's number.

    It derives from KeyboardInterrupt, so that libraries that clean up after Ctrl-C do so on every
    signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class _Listener:
    """Handler that raises Stopped in this process; a forked child takes the default action."""

    def __init__(self) -> None:
        self.owner, self.stopped_at_s = os.getpid(), -ECHO_S

    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if os.getpid() != self.owner:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        before_s, self.stopped_at_s = self.stopped_at_s, time.monotonic()
        if self.stopped_at_s - before_s > ECHO_S:
            raise Stopped(number)


def quit_while_loading() -> None:
    """Exit at once on a signal while modules are loaded, until `listen` is called.

    Python would lose an exception raised inside importlib's callbacks (it only prints it), and
    nothing that needs cleaning up has been started yet.
    """
    _answer(_quit, free=(signal.SIG_DFL, signal.default_int_handler))


def listen() -> None:
    """Raise Stopped on signals from now on.

    Ignored signals (as with `nohup`) stay ignored, and handlers of other libraries are kept. A call
    outside the main thread does nothing, as Python permits handlers only there.
    """
    _answer(_Listener(), free=(signal.SIG_DFL, signal.default_int_handler, _quit))


def _answer(handler: Callable[[int, FrameType | None], None], free: Sequence[object]) -> None:
    """Install a handler for all signals whose current handler is one of `free`."""
    if threading.current_thread() is not threading.main_thread():
        return
    for name in SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in free:
            signal.signal(number, handler)


def _quit(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    with suppress(OSError):  # the terminal is closed
        os.write(2, f"\n{_stopped(number)} before anything was started\n".encode())
    os._exit(128 + number)


def _stopped(number: int) -> str:
    return "stopped" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}"


def signal_of(error: BaseException | None) -> int | None:
    """Return the number of the signal that caused an error; None if no signal did.

    Lightning turns KeyboardInterrupt into an exit with status 1, and SIGTERM into a kind of
    SystemExit without a status, which a shell takes for success.
    """
    if isinstance(error, KeyboardInterrupt):
        return getattr(error, "number", signal.SIGINT)
    if isinstance(error, SystemExit):
        if type(error) is not SystemExit:
            return signal.SIGTERM
        return signal_of(error.__context__) if error.code == 1 else None
    return None


@contextmanager
def resumable_with(command: str) -> Iterator[None]:
    """Attach the resume command to errors from a signal, a full disk or lack of memory.

    The error itself is raised unchanged; `resume_note` reads the note where the error is printed.
    Other errors get no note: the same command would fail again.
    """
    try:
        yield
    except BaseException as error:
        is_full = isinstance(error, MemoryError) or any(phrase in str(error) for phrase in FULL)
        if is_full or signal_of(error) is not None:
            error.add_note(command)
        raise


def same_command(arguments: Sequence[str]) -> str:
    """Return the shell command that runs this program with arguments, quoted for a POSIX shell."""
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        return shlex.join(["python", "-m", "neurotarget", *arguments])
    start = ["python", str(program)] if program.suffix == ".py" else [program.name]
    return shlex.join([*start, *arguments])


def resume_note(error: BaseException) -> list[str]:
    """Return the resume command that `resumable_with` attached, as a clause; else an empty list."""
    return [f"resume with: {note}" for note in getattr(error, "__notes__", [])[-1:]]


def end_stopped(error: BaseException, number: int) -> None:
    """Print that the command was stopped and exit with 128 + signal number, as shells do.

    Args:
        error: error that the signal raised; its note with the resume command is printed too.
        number: number of the signal, such as 2 for Ctrl-C.
    """
    parts = [_stopped(number), "what was finished is kept", *resume_note(error)]
    try:
        print(f"\n{'; '.join(parts)}", file=sys.stderr)
        sys.stdout.flush()
    except OSError:  # the terminal is closed; Python would fail again at exit
        with suppress(OSError):
            for stream in (sys.stdout, sys.stderr):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(128 + number)


def stoppable(command: Callable[P, R]) -> Callable[P, R]:
    """Exit with one sentence and the signal's status if a signal stops the command.

    Other exits, such as `sys.exit(2)`, pass through.
    """

    @functools.wraps(command)
    def safe(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (KeyboardInterrupt, SystemExit) as error:
            number = signal_of(error)
            if number is None:
                raise
            end_stopped(error, number)

    return safe
