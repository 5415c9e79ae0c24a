"""Signals: Ctrl-C, SIGTERM and SIGHUP end a command with one sentence, and what it has started."""

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
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # the last is not known to Windows
FULL = ("out of memory", *map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)))  # or disk
ECHO_S = 2.0  # in which one stop may come twice: to a process, and to its group


class Stopped(KeyboardInterrupt):
    """A signal asked this process to end; Python raises no more than KeyboardInterrupt for one."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class _Listener:
    """Raises Stopped in the process that listens; a process forked from it ends as by default."""

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
    """End at once where a signal comes while modules are loaded, until `listen` is called.

    An exception could be lost then, as importlib has callbacks of which Python only prints what
    they raise; and nothing is started yet that would have to be cleaned up.
    """
    _answer(_quit, free=(signal.SIG_DFL, signal.default_int_handler))


def listen() -> None:
    """Let signals raise Stopped from now on.

    Those that are ignored, as `nohup` has it, stay so, and those that others listen to are theirs.
    """
    _answer(_Listener(), free=(signal.SIG_DFL, signal.default_int_handler, _quit))


def _answer(handler: Callable[[int, FrameType | None], None], free: Sequence[object]) -> None:
    """Have signals handled, but for those with another handler than the `free` ones."""
    if threading.current_thread() is not threading.main_thread():
        return
    for name in SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in free:
            signal.signal(number, handler)


def _quit(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    with suppress(OSError):  # the terminal has gone
        os.write(2, f"\n{_stopped(number)} before anything was started\n".encode())
    os._exit(128 + number)


def _stopped(number: int) -> str:
    return "stopped" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}"


def signal_of(error: BaseException | None) -> int | None:
    """Signal that an error stands for; None where no signal asked for an end.

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
def going_on(command: str) -> Iterator[None]:
    """Name the command that goes on with what a signal, a full disk or lack of memory stops."""
    try:
        yield
    except BaseException as error:
        is_full = isinstance(error, MemoryError) or any(words in str(error) for words in FULL)
        if is_full or signal_of(error) is not None:
            error.add_note(command)
        raise


def same_command(words: Sequence[str]) -> str:
    """The command of this process with these words, as a shell reads it."""
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        return shlex.join(["python", "-m", "neurotarget", *words])
    program_words = ["python", str(program)] if program.suffix == ".py" else [program.name]
    return shlex.join([*program_words, *words])


def way_on(error: BaseException) -> list[str]:
    """The command that `going_on` has named, as a part of a sentence; nothing where it has not."""
    return [f"go on with: {note}" for note in getattr(error, "__notes__", [])[-1:]]


def end_stopped(error: BaseException, number: int) -> None:
    """Print the sentence about a stop and exit with 128 + the signal's number, as shells do."""
    parts = [_stopped(number), "what was finished is kept", *way_on(error)]
    try:
        print(f"\n{'; '.join(parts)}", file=sys.stderr)
        sys.stdout.flush()
    except OSError:  # the terminal has gone, and Python would fail again as it ends
        with suppress(OSError):
            for stream in (sys.stdout, sys.stderr):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(128 + number)


def stoppable(act: Callable[P, R]) -> Callable[P, R]:
    """End with one sentence and the signal's status where a signal stops `act`."""

    @functools.wraps(act)
    def safe(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return act(*args, **kwargs)
        except (KeyboardInterrupt, SystemExit) as error:
            number = signal_of(error)
            if number is None:
                raise
            end_stopped(error, number)

    return safe
