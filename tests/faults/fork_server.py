"""Run the project's commands in processes that can be killed at any of their file operations.

A server imports everything once and forks for each command, so that a command does not spend ten
seconds on imports. Python's audit hooks report each file operation to the child before it happens,
and the child kills itself at the selected one.
"""

import atexit
import gc
import json
import os
import resource
import runpy
import select
import shlex
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = frozenset(
    ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link")
)
TIMED_OUT = -1000  # status of a command that hung
MODULES = (  # whatever a command may import, but for what is imported where it is needed
    "neurotarget.cli.commands.compare",
    "neurotarget.cli.commands.evaluate",
    "neurotarget.cli.commands.lint",
    "neurotarget.cli.main",
    "neurotarget.cli.commands.models",
    "neurotarget.cli.commands.predict",
    "neurotarget.cli.commands.prepare",
    "neurotarget.cli.commands.qsm",
    "neurotarget.cli.commands.study",
    "neurotarget.cli.commands.swi",
    "neurotarget.cli.commands.train",
    "neurotarget.report.pages.study_page",
    "neurotarget.sweeps.run_job",
    "nilearn",
    "SimpleITK",
    "torchio",
    "wandb",
    "wandb.sdk.launch",  # which a run of W&B loads as it starts
)


@dataclass(frozen=True)
class Command:
    """One command, and what happens to it."""

    argv: list[str]  # train.py … | predict.py … | neurotarget …
    cwd: str
    log: str  # file for what it prints
    inside: str = ""  # only operations on files below this folder count
    kill_at: int = 0  # SIGKILL before the operation of this number, from 1; 0 counts only
    kill_after: str = ""  # SIGKILL before the first operation once this file is there
    signal_at: int = 0  # like `kill_at`, with `signal`
    signal: int = 0
    reads: bool = False  # files that are read count too
    file_limit: int = -1  # bytes that a file may have before the disk is full; -1 is no limit
    timeout_s: float = 240.0
    grace_s: float = 0.0  # for processes that it leaves behind, such as W&B's, to end
    environment: dict[str, str | None] = field(default_factory=dict)  # None takes a variable away
    errors: str = ""  # file for what it prints to stderr, in place of the log


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int  # as a shell's; minus the signal where one killed it; TIMED_OUT
    operations: int  # file operations counted; 0 where it was killed
    seconds: float
    memory_mb: float  # peak beyond what the server holds
    text: str  # all that it printed


def quiet() -> dict[str, str]:
    """Environment of a command with one thread and no W&B account: nothing leaves the machine."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_")}
    return kept | {"OMP_NUM_THREADS": "1", "NETRC": "/nonexistent"}


class Server:
    """The process that forks. One command at a time; use several for several cores."""

    def __init__(self) -> None:
        self.environment = quiet() | {
            "MPLBACKEND": "Agg",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT / "src")]),
        }
        self.environment.pop("NEUROTARGET_TRACEBACK", None)
        self.process = self._started()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait(timeout=30)

    def _started(self) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", "faults.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self.environment,
            text=True,
        )

    def run(self, command: Command) -> Outcome:
        """Run a command to its end, however it ends."""
        try:
            self.process.stdin.write(json.dumps(asdict(command)) + "\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline())
        except BaseException:  # such as the time limit of a test
            # the next command would read this one's answer
            self.process.kill()
            self.process = self._started()
            raise
        text = Path(command.log).read_bytes().decode("utf-8", "backslashreplace")
        return Outcome(**answer, text=text)


def serve() -> None:
    """Read commands from stdin, one JSON a line, and answer each on stdout."""
    os.fsync = lambda _: None  # what a killed process has written is not lost
    for name in MODULES:
        __import__(name)
    from neurotarget.cli.configs.overrides import check_overrides

    check_overrides(["target=pituitary"], ROOT / "conf", "train")  # Hydra's parser is slow at first
    kept = [one for one in gc.get_objects() if isinstance(one, TemporaryDirectory)]
    gc.freeze()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(json.dumps(_run(Command(**json.loads(line)), kept)) + "\n")
        answers.flush()


def _run(command: Command, kept: Sequence[TemporaryDirectory]) -> dict[str, float]:
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started_s = time.monotonic()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _child(command, writer)
    os.close(writer)
    status, memory_kb = _waited(child, command.timeout_s)
    _end_group(child, command.grace_s)
    for folder in kept:  # which the end of the child has deleted, such as W&B's
        Path(folder.name).mkdir(exist_ok=True)
    counted = os.read(reader, 100) if select.select([reader], [], [], 0)[0] else b""
    os.close(reader)
    return {
        "status": status,
        "operations": int(counted or 0),
        "seconds": time.monotonic() - started_s,
        "memory_mb": max(memory_kb / 1024 - before_mb, 0.0),
    }


def _end_group(leader: int, grace_s: float) -> None:
    """Kill the workers that a command left behind, which are of its session."""
    deadline = time.monotonic() + grace_s
    with suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(leader, 0)
            time.sleep(0.01)
        os.killpg(leader, signal.SIGKILL)


def _waited(child: int, timeout_s: float) -> tuple[int, float]:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status), usage.ru_maxrss
        time.sleep(0.005)
    os.killpg(child, signal.SIGKILL)
    _, _, usage = os.wait4(child, 0)
    return TIMED_OUT, usage.ru_maxrss


def _child(command: Command, writer: int) -> None:
    """Become the command; never returns."""
    status = 70
    try:
        os.setsid()
        log = _new_file(command.log)
        os.dup2(log, 1)
        os.dup2(_new_file(command.errors) if command.errors else log, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdin = os.fdopen(0)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="strict", buffering=1)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for name, value in command.environment.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        os.chdir(command.cwd)
        if command.file_limit >= 0:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (command.file_limit, command.file_limit))
        count = _Count(command)
        sys.addaudithook(count)
        status = _status_of(command.argv)
        atexit._run_exitfuncs()
        count.ended = True
        sys.stdout.flush()
        os.write(writer, str(count.number).encode())
    finally:
        os._exit(status & 0xFF)


def _new_file(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


def _status_of(argv: list[str]) -> int:
    """Run a command in this process; its exit status as the interpreter would give it."""
    program, *sys.argv[1:] = argv
    try:
        if program == "neurotarget":
            from neurotarget.cli.main import main

            sys.argv[0] = program
            main()
        else:
            sys.argv[0] = str(ROOT / program)
            runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as outcome:
        if outcome.code is None or isinstance(outcome.code, int):
            return outcome.code or 0
        print(outcome.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


class _Count:
    """Audit hook: counts file operations below a folder, and kills at one of them."""

    def __init__(self, command: Command) -> None:
        self.command, self.number, self.ended = command, 0, False
        self.inside, self.process = Path(command.inside), os.getpid()

    def __call__(self, event: str, args: tuple) -> None:
        if event not in OPERATIONS or self.ended or not self._counts(event, args):
            return
        self.number += 1
        after = self.command.kill_after
        if (after and Path(after).exists()) or self.number == self.command.kill_at:
            os.killpg(self.process, signal.SIGKILL)
        if self.number == self.command.signal_at:
            os.kill(self.process, self.command.signal)

    def _counts(self, event: str, args: tuple) -> bool:
        if event == "open":
            path, mode, flags = args
            is_written = set(mode or "") & set("wax+") or flags & (os.O_WRONLY | os.O_RDWR)
            if not (is_written or self.command.reads):
                return False
        else:
            path = args[0]
        if isinstance(path, int) or path is None or os.getpid() != self.process:
            return False
        path = Path(os.fsdecode(path))
        return (Path.cwd() / path).is_relative_to(self.inside)


def printed_command(text: str) -> list[str]:
    """The command that was printed last for going on, or nothing where none was."""
    found = []
    for line in text.splitlines():
        for sign in ("  stopped?  ", "resume with: "):
            _, is_there, command = line.partition(sign)
            if is_there:
                found = shlex.split(command)
    return [Path(found[1]).name, *found[2:]] if found[:1] == ["python"] else found


if __name__ == "__main__":
    serve()
