"""A bad input: a command and files that it must refuse quickly with one sentence."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faults.fork_server import TIMED_OUT, Command, Outcome, Server

TRACEBACK = "Traceback (most recent call last)"
TIMEOUT_S = 120.0
MEMORY_MB = 1500.0  # beyond what the libraries take
Write = Callable[[Path], object]


@dataclass(frozen=True)
class Bad:
    """A command that must end with 2 and name what is wrong."""

    name: str
    argv: list[str]
    write: Write  # spoils the files of a working folder
    named: str = ""  # what the answer must hold: a file, a column, a setting
    accepted: bool = False  # it may also be read, as its meaning is clear
    warned: str = ""  # it may also go on with a warning, which must hold this


def fault_of(bad: Bad, outcome: Outcome) -> str:
    """What is wrong with an answer; nothing where it is as it must be."""
    allowed = (0, 2) if bad.accepted or bad.warned else (2,)
    if outcome.status == TIMED_OUT:
        return "hung"
    if TRACEBACK in outcome.text:
        return f"traceback: {outcome.text[-400:]}"
    if outcome.status not in allowed:
        return f"ended with {outcome.status}: {outcome.text[-300:]}"
    if outcome.status == 0 and bad.warned not in outcome.text:
        return f"{bad.warned!r} is not warned of: {outcome.text[-300:]}"
    if outcome.memory_mb > MEMORY_MB:
        return f"took {outcome.memory_mb:.0f} MB"
    if outcome.status == 2 and not re.search(r"error: |failed: ", outcome.text):
        return f"no sentence: {outcome.text[-300:]}"
    if outcome.status == 2 and bad.named.lower() not in outcome.text.lower():
        return f"{bad.named!r} is not named: {outcome.text[-400:]}"
    return ""


class InputTrial:
    """Runs commands, each on a fresh copy of one state."""

    def __init__(self, server: Server, state: Path, work: Path) -> None:
        self.server, self.state, self.work = server, state, work

    def __call__(self, bad: Bad) -> tuple[Outcome, str]:
        """Run one; how it ended and what is wrong with that."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.state, self.work, symlinks=True)
        bad.write(self.work)
        log = self.work.with_name(f"{self.work.name}.log")
        command = Command(bad.argv, str(self.work), str(log), str(self.work), timeout_s=TIMEOUT_S)
        outcome = self.server.run(command)
        drafts = list(self.work.rglob(".draft-*"))
        return outcome, fault_of(bad, outcome) or (f"left {drafts[0]}" if drafts else "")
