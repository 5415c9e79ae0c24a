"""One attack: files from another user, a command that reads them, and the check for damage."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from faults.fork_server import TIMED_OUT, Command, Outcome, Server

CANARY = "canary"  # a file beside the working folder that only an attack writes
SECRET = "s3cr3t-of-the-user"  # in the environment, and in a file beside the working folder
THEIRS = "theirs"  # files and folders of the working folder that begin so are nobody's to change
CODES = ("\x1b]", "\x1b[2J", "\u202e", "\u2066", "\x9b")  # that a terminal obeys
MARKUP = re.compile(  # of an attack, where a browser would obey it
    r"<script>alert\(1\)|<img src=x onerror=|<svg onload=|javascript:alert\(1\)\"|owned-\d{7}"
)
PAGES = (".html", ".svg", ".htm")
TABLES = (".tsv", ".csv")


@dataclass(frozen=True)
class Attack:
    """Files in a working folder, and a command that meets them."""

    name: str
    argv: list[str]
    files: dict[str, bytes | str]  # by path; `{canary}` becomes the path of the canary
    change: dict[str, Any] | None = None  # keys of the run's config.yaml, dotted, and their values
    links: dict[str, str] = field(default_factory=dict)  # by path, in place of what is there
    write: Callable[[Path], object] | None = None  # changes the working folder further
    refused: str = ""  # the command must end with 2 and name this


class AttackTrial:
    """Attacks a fresh copy of one state at a time, and looks for what escaped."""

    def __init__(self, server: Server, state: Path, folder: Path) -> None:
        self.server, self.state = server, state
        self.folder, self.work = folder, folder / "work"
        self.before: dict[Path, bytes] = {}

    def __call__(self, attack: Attack) -> tuple[Outcome, str]:
        """Run one; how it ended, and what escaped."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.state, self.work, symlinks=True)
        (self.folder / "secret.txt").write_text(SECRET)
        (self.folder / "outside").mkdir()
        (self.folder / "outside" / "thesis.txt").write_text("of the user")
        self._write(attack)
        outside = self._outside()
        self.before = {path: path.read_bytes() for path in self.work.rglob("*") if path.is_file()}
        log = self.folder.with_name(f"{self.folder.name}.log")
        command = Command(
            attack.argv,
            str(self.work),
            str(log),
            str(self.work),
            timeout_s=120,
            environment={"NEUROTARGET_SECRET": SECRET},
        )
        outcome = self.server.run(command)
        refused = outcome.status == 2 and attack.refused in outcome.text
        if attack.refused and not refused:
            return outcome, f"not refused: ended with {outcome.status}: {outcome.text[-300:]}"
        return outcome, self._escaped(outcome, outside)

    def _write(self, attack: Attack) -> None:
        canary = str(self.folder / CANARY)
        for name, content in attack.files.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                content = content.replace("{canary}", canary).encode()
            path.write_bytes(content)
        if attack.change:
            self._configure(attack.change, canary)
        for name, target in attack.links.items():
            path = self.work / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target)
        if attack.write is not None:
            attack.write(self.work)

    def _configure(self, change: dict[str, Any], canary: str) -> None:
        """Set keys of the run's config.yaml."""
        path = self.work / "run" / "config.yaml"
        config = yaml.safe_load(path.read_text())
        for key, value in change.items():
            *parents, last = key.split(".")
            node = config
            for parent in parents:
                node = node[parent]
            node[last] = json.loads(json.dumps(value).replace("{canary}", canary))
        path.write_text(yaml.safe_dump(config))

    def _outside(self) -> dict[str, bytes]:
        """Everything beside the working folder, and what in it is nobody's to change."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else b""
            for path in self.folder.rglob("*")
            if self._is_foreign(path)
        }

    def _is_foreign(self, path: Path) -> bool:
        if not path.is_relative_to(self.work):
            return True
        return path != self.work and path.relative_to(self.work).parts[0].startswith(THEIRS)

    def _escaped(self, outcome: Outcome, outside: dict[str, bytes]) -> str:
        if outcome.status == TIMED_OUT:
            return "hung"
        if (now := self._outside()) != outside:
            changed = {name for name in now if now[name] != outside.get(name)}
            return f"wrote outside: {sorted(changed | (outside.keys() - now.keys()))}"
        if SECRET in outcome.text:
            return "printed a secret"
        if any(sign in outcome.text for sign in CODES):
            return f"printed a code of the terminal: {outcome.text[-300:]!r}"
        if "Traceback (most recent call last)" in outcome.text:
            return f"printed a traceback: {outcome.text[-500:]}"
        return self._spoken()

    def _spoken(self) -> str:
        """What an attack has put into a page, a picture or a table."""
        for path in self.work.rglob("*"):
            new = path.is_file() and not self._is_as_before(path)
            if not new or path.suffix not in (*PAGES, *TABLES, ".json", ".md"):
                continue
            text = path.read_text(encoding="utf-8", errors="replace")
            if SECRET in text:
                return f"wrote a secret into {path.name}"
            if path.suffix in PAGES and (found := MARKUP.search(text)):
                return f"markup stands in {path.name}: {found[0]}"
            if path.suffix in TABLES and _formula(text):
                return f"a formula stands in {path.name}: {_formula(text)}"
        return ""

    def _is_as_before(self, path: Path) -> bool:
        """Whether a file is as the attack has laid it there."""
        before = self.before.get(path)
        return before is not None and before == path.read_bytes()


def _formula(text: str) -> str:
    cells = (cell for line in text.splitlines() for cell in line.replace(",", "\t").split("\t"))
    return next((cell for cell in cells if cell.lstrip('"').startswith(("=", "@", "+H"))), "")
