"""Kill a command at a file operation, run it again, and compare with a run without a kill."""

import random
import shutil
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from faults.fork_server import Command, Outcome, Server, printed_command
from faults.scenarios import Scenario, make_state
from faults.snapshot import difference, leftovers, snapshot

MULTIRUN, MULTIRUN_FOLDER = "multirun.yaml", "sweep"
TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True)
class Kill:
    """What became of one command after one fault."""

    scenario: str
    fault: str
    fired: bool  # the command had not ended before
    problem: str  # nothing where it came back exactly


class Campaign:
    """One scenario in a folder of its own: the state before, and what a whole run makes of it."""

    def __init__(
        self, server: Server, scenario: Scenario, folder: Path, trained: Path | None = None
    ) -> None:
        self.server, self.scenario = server, scenario
        self.before, self.work = folder / "before", folder / "work"
        self.log = folder / "command.log"
        folder.mkdir(parents=True, exist_ok=True)
        make_state(server, scenario, self.work, trained)
        shutil.copytree(self.work, self.before, symlinks=True)
        whole = self._run(scenario.argv)
        if whole.status != 0:
            raise RuntimeError(f"{scenario.name} ended with {whole.status}: {whole.text}")
        self.operations, self.whole = whole.operations, snapshot(self.work)

    def kill(self, number: int) -> Kill:
        """SIGKILL before a file operation."""
        outcome = self._begin(kill_at=number)
        fired = outcome.status == -signal.SIGKILL
        return Kill(self.scenario.name, f"operation {number}", fired, self._recovered(outcome))

    def stop(self, number: int, sent: signal.Signals) -> Kill:
        """A signal at a file operation: one sentence, its exit status, and nothing lost."""
        outcome = self._begin(signal_at=number, signal=sent)
        problem = ""
        if outcome.status not in (0, 128 + sent):
            problem = f"{sent.name} ended with {outcome.status}, not {128 + sent}"
        elif TRACEBACK in outcome.text:
            problem = f"{sent.name} printed a traceback"
        elif outcome.status and self.scenario.goes_on and not printed_command(outcome.text):
            problem = f"{sent.name} printed no command that goes on: {outcome.text[-300:]}"
        fault = f"{sent.name} at operation {number}"
        fired = outcome.status != 0
        return Kill(self.scenario.name, fault, fired, problem or self._recovered(outcome))

    def fill(self, limit: int) -> Kill:
        """No file can grow beyond `limit` bytes: a sentence, and nothing lost."""
        outcome = self._begin(file_limit=limit)
        problem = f"printed a traceback: {outcome.text[-600:]}" if TRACEBACK in outcome.text else ""
        fault = f"disk full at {limit} bytes"
        return Kill(
            self.scenario.name, fault, outcome.status != 0, problem or self._recovered(outcome)
        )

    def _begin(self, **fault: int) -> Outcome:
        shutil.rmtree(self.work)
        shutil.copytree(self.before, self.work, symlinks=True)
        return self._run(self.scenario.argv, **fault)

    def _recovered(self, outcome: Outcome) -> str:
        """Run again as a user would; what differs from a run that nobody killed."""
        again = printed_command(outcome.text)
        if self.scenario.again and (self.work / MULTIRUN_FOLDER / MULTIRUN).is_file():
            again = self.scenario.again
        second = self._run(again or self.scenario.argv)
        if second.status != 0:
            return f"again ended with {second.status}: {second.text[-600:]}"
        if TRACEBACK in second.text:
            return f"again printed a traceback: {second.text[-600:]}"
        found = difference(self.whole, snapshot(self.work))
        left = leftovers(self.work)
        return found or (f"drafts are left: {', '.join(left[:3])}" if left else "")

    def _run(self, argv: Sequence[str], **fault: int) -> Outcome:
        reads = self.scenario.reads
        place = str(self.work)
        command = Command(list(argv), place, str(self.log), place, reads=reads, **fault)
        return self.server.run(command)


def kills(campaign: Campaign, *, share: float, seed: int) -> Iterator[Kill]:
    """Kill a scenario at a part of its operations, then stop it, then fill its disk."""
    draw = random.Random(seed)
    numbers = range(1, campaign.operations + 1)
    wanted = max(round(len(numbers) / campaign.scenario.every * share), 1)
    for number in sorted(draw.sample(numbers, min(wanted, len(numbers)))):
        yield campaign.kill(number)
    for sent in (signal.SIGINT, signal.SIGTERM):
        for _ in range(max(round(3 * share), 1)):
            yield campaign.stop(draw.choice(numbers), sent)
    for limit in draw.sample((0, 100, 1_000, 5_000, 20_000, 60_000), max(round(4 * share), 1)):
        yield campaign.fill(limit)
