"""`make faults`: test every command with kills, bad inputs and attacks, and report the results.

    python -m faults [kills] [inputs] [attacks] [memory] [share=0.1] [seed=1] [only=lint+compare]

`only` selects scenarios of the kills.
"""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from faults.attack import Attack, AttackTrial
from faults.attacks import attacks
from faults.bad_headers import headers
from faults.bad_input import Bad, InputTrial
from faults.bad_networks import attacking_networks, bad_networks
from faults.bad_runs import runs
from faults.bad_tables import tables
from faults.fork_server import Command, Server
from faults.kills import Campaign, kills
from faults.memory import GROWTH_MB, growth_mb
from faults.scenarios import SCENARIOS, TRAINED, Scenario, write_balls

Item = TypeVar("Item")
Found = TypeVar("Found")
PARTS = ("kills", "inputs", "attacks", "memory")
WANTED = {"kills": 200, "inputs": 400, "attacks": 150}  # of a whole campaign


class Result(NamedTuple):
    """One fault that was tried, and what is wrong with what came of it."""

    name: str
    problem: str


class Workers:
    """A server for each core, in a folder of its own with a state to start from."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.own = folder, threading.local()
        self.servers: list[Server] = []
        self.pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))

    def each(
        self, act: Callable[[Server, Path, Item], Found], items: Iterable[Item]
    ) -> list[Found]:
        """What `act` returns for each item, in their order."""
        return list(self.pool.map(lambda item: act(*self._own(), item), items))

    def close(self) -> None:
        """End the servers."""
        self.pool.shutdown()
        for server in self.servers:
            server.close()

    def _own(self) -> tuple[Server, Path]:
        if not hasattr(self.own, "server"):
            self.own.server = Server()
            self.servers.append(self.own.server)
            self.own.folder = self.folder / f"worker{len(self.servers)}"
            make_trained(self.own.server, self.own.folder / "state")
        return self.own.server, self.own.folder


def make_trained(server: Server, state: Path) -> None:
    """Write the data set of the balls and train on it."""
    write_balls(state)
    log = state.with_name("state.log")
    outcome = server.run(Command(TRAINED, str(state), str(log), str(state)))
    if outcome.status != 0:
        raise RuntimeError(f"training outcome with {outcome.status}: {outcome.text[-2000:]}")


def try_kills(workers: Workers, *, share: float, seed: int, only: Sequence[str]) -> list[Result]:
    """Kill, stop and starve every command; run it again and hold it against a whole run."""
    chosen = [one for one in SCENARIOS if not only or one.name in only]

    def act(server: Server, folder: Path, scenario: Scenario) -> list[Result]:
        place = folder / scenario.name.replace(" ", "_")
        campaign = Campaign(server, scenario, place, folder / "state")
        found = []
        for kill in kills(campaign, share=share, seed=seed):
            if kill.problem:  # at once: the whole may take an hour
                print(f"  WRONG {kill.scenario}, {kill.fault}: {kill.problem}", flush=True)
            found += [kill] if kill.fired else []
        exact = sum(not kill.problem for kill in found)
        print(
            f"  {scenario.name}: {campaign.operations} file operations; {len(found)} kills, "
            f"signals and full disks, {exact} recovered exactly",
            flush=True,
        )
        return [Result(f"{kill.scenario}, {kill.fault}", kill.problem) for kill in found]

    return [one for several in workers.each(act, chosen) for one in several]


def try_inputs(workers: Workers, *, share: float, seed: int, **_: object) -> list[Result]:
    """Give every command bad headers, tables, settings and runs."""

    def act(server: Server, folder: Path, bad: object) -> Result:
        return Result(bad.name, InputTrial(server, folder / "state", folder / "input")(bad)[1])

    return workers.each(act, part_of(every_bad_input(), share, seed))


def try_attacks(workers: Workers, *, share: float, seed: int, **_: object) -> list[Result]:
    """Meet the files of strangers with every command that reads some."""

    def act(server: Server, folder: Path, attack: object) -> Result:
        return Result(
            attack.name, AttackTrial(server, folder / "state", folder / "attack")(attack)[1]
        )

    return workers.each(act, part_of(every_attack(), share, seed))


def try_memory(workers: Workers, **_: object) -> list[Result]:
    """Compare the peak memory of long work with that of short work."""

    def act(server: Server, folder: Path, _: None) -> dict[str, float]:
        return growth_mb(server, folder / "state")

    (found,) = workers.each(act, [None])
    for name, grown in found.items():
        print(f"  {name}: {grown:+.0f} MB", flush=True)
    return [
        Result(name, f"grew by {grown:.0f} MB" if grown > GROWTH_MB else "")
        for name, grown in found.items()
    ]


def every_bad_input() -> list[Bad]:
    """Headers, tables, settings, runs and exported networks."""
    return [*headers(), *tables(), *runs(), *bad_networks()]


def every_attack() -> list[Attack]:
    """Attacks by any file, exported networks among them."""
    return [*attacks(), *attacking_networks()]


def part_of(items: Sequence[Item], share: float, seed: int) -> list[Item]:
    """Every so many of the items, from one that the seed decides."""
    step = max(round(1 / share), 1)
    return list(items)[seed % step :: step]


def main(argv: Sequence[str]) -> int:
    """Run the parts that are named, or all; 1 where anything is wrong or too little was tried."""
    given = dict(word.split("=") for word in argv if "=" in word)
    share, seed = float(given.get("share", 1)), int(given.get("seed", 1))
    only = given["only"].split("+") if "only" in given else []
    parts = [word for word in argv if word in PARTS] or PARTS
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="neurotarget-faults-") as folder:
        workers = Workers(Path(folder))
        for part in parts:
            began_s = time.monotonic()
            print(f"{part} …", flush=True)
            results = globals()[f"try_{part}"](workers, share=share, seed=seed, only=only)
            problems = [one for one in results if one.problem]
            for one in problems if part != "kills" else ():
                print(f"  WRONG {one.name}: {one.problem}", flush=True)
            minutes = (time.monotonic() - began_s) / 60
            print(f"{part}: {len(results)} tried, {len(problems)} wrong, {minutes:.1f} min")
            few = share == 1 and not only and len(results) < WANTED.get(part, 0)
            wrong += len(problems) + few
        workers.close()
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
