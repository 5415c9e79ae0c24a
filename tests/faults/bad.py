"""A bad input: a command and files that it must refuse quickly with one sentence."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faults.process import TIMED_OUT, Asked, Ended, Server

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


def fault_of(bad: Bad, ended: Ended) -> str:
    """What is wrong with an answer; nothing where it is as it must be."""
    allowed = (0, 2) if bad.accepted or bad.warned else (2,)
    if ended.status == TIMED_OUT:
        return "hung"
    if TRACEBACK in ended.text:
        return f"traceback: {ended.text[-400:]}"
    if ended.status not in allowed:
        return f"ended with {ended.status}: {ended.text[-300:]}"
    if ended.status == 0 and bad.warned not in ended.text:
        return f"{bad.warned!r} is not warned of: {ended.text[-300:]}"
    if ended.memory_mb > MEMORY_MB:
        return f"took {ended.memory_mb:.0f} MB"
    if ended.status == 2 and not re.search(r"error: |failed: ", ended.text):
        return f"no sentence: {ended.text[-300:]}"
    if ended.status == 2 and bad.named.lower() not in ended.text.lower():
        return f"{bad.named!r} is not named: {ended.text[-400:]}"
    return ""


class Tries:
    """Runs commands, each on a fresh copy of one state."""

    def __init__(self, server: Server, state: Path, work: Path) -> None:
        self.server, self.state, self.work = server, state, work

    def __call__(self, bad: Bad) -> tuple[Ended, str]:
        """Run one; how it ended and what is wrong with that."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.state, self.work, symlinks=True)
        bad.write(self.work)
        log = self.work.with_name(f"{self.work.name}.log")
        asked = Asked(bad.argv, str(self.work), str(log), str(self.work), timeout_s=TIMEOUT_S)
        ended = self.server.run(asked)
        drafts = list(self.work.rglob(".draft-*"))
        return ended, fault_of(bad, ended) or (f"left {drafts[0]}" if drafts else "")
