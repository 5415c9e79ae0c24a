import gc
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
from hypothesis import HealthCheck, settings

from faults.fork_server import Command, Server, quiet
from oracles import annotations
from oracles.balls import SMALL, TARGET, write_cohort
from oracles.mr_scanner import scanner

annotations.install()
os.fsync = lambda _: None  # no test cuts the power, and disks take milliseconds for each file

ROOT = Path(__file__).resolve().parents[1]

# the same inputs in every run; folders of a test are shared by all of its inputs
settings.register_profile(
    "fixed",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("fixed")


# files that take longest, so that no process ends with one while the other has nothing to do
FIRST = (
    "test_wheel.py",
    "test_faults.py",
    "test_cascade_tumour.py",
    "test_flow.py",
    "test_cascade.py",
    "test_own_package.py",
    "test_browser.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest."""
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else 99)


def pytest_collection_finish() -> None:
    """Leave what was imported out of garbage collections, and collect less often.

    A study's tables take a tenth less time so.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


@pytest.fixture
def any_array():
    """Let arrays of other kinds and axes than annotated reach a function, which refuses them."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data for tests; it is not part of the project."""
    default = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    root = Path(os.environ.get("NEUROTARGET_DATA", default))
    if not root.is_dir():
        pytest.skip(f"real data are absent: no folder {root} (set NEUROTARGET_DATA)")
    return root


@pytest.fixture(scope="session")
def cases_folder() -> Path:
    """Folder of inputs that failed once; they are not part of the project."""
    default = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("NEUROTARGET_DATA", default)).parent / "cases" / "inputs"
    if not folder.is_dir():
        pytest.skip("shared/cases is not here")
    return folder


@pytest.fixture(scope="session")
def statistics(cases_folder) -> Path:
    """Folder of tables whose right statistics are known."""
    return cases_folder.parent / "statistics"


def run_python(*arguments: object, cwd: Path) -> subprocess.CompletedProcess:
    """Run a Python file of the project as its user would, in an interpreter of its own."""
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(
        command, cwd=cwd, env=quiet(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return done


@pytest.fixture(scope="session")
def fresh_interpreter():
    """`fresh_interpreter(file, *arguments, cwd=…)`: for what only a start from nothing shows."""
    return run_python


@pytest.fixture(scope="session")
def fork_server() -> Iterator[Server]:
    """A process that has imported everything, from which commands are forked."""
    with Server() as server:
        yield server


@pytest.fixture(scope="session")
def command(fork_server, tmp_path_factory):
    """`command(script, *arguments, cwd=…)` runs a script of the project to its end, in a fork.

    `check=False` allows it to fail.
    """
    logs = tmp_path_factory.mktemp("logs")

    def run(*argv: object, cwd: Path, check: bool = True) -> subprocess.CompletedProcess:
        log, errors = logs / "output.txt", logs / "errors.txt"
        script, *arguments = map(str, argv)
        environment = dict.fromkeys(fork_server.environment) | quiet()
        job = Command(
            [Path(script).name, *arguments],
            str(cwd),
            str(log),
            environment=environment,
            errors=str(errors),
            timeout_s=900,
            grace_s=20,
        )
        status = fork_server.run(job).status
        output, error = (path.read_text(encoding="utf-8") for path in (log, errors))
        if check and status:
            pytest.fail(f"{argv}\n{output[-3000:]}\n{error[-6000:]}")
        return subprocess.CompletedProcess(argv, status, output, error)

    return run


BLOCK, HEAD = 32 * 1024, 7  # W&B's file is LevelDB's log format behind a head of its own


@pytest.fixture(scope="session")
def wandb_records():
    """`wandb_records(file)` yields the records of an offline run."""

    def read(path: Path):
        # W&B takes a second to import
        import wandb
        from wandb.proto import wandb_internal_pb2

        wandb.teardown()  # its service may not have written the end of the file yet
        content, place, parts = path.read_bytes(), HEAD, b""
        assert content[:4] == b":W&B"
        while place + HEAD <= len(content):
            if BLOCK - place % BLOCK < HEAD:
                place += BLOCK - place % BLOCK
                continue
            _, length, kind = struct.unpack("<IHB", content[place : place + HEAD])
            parts += content[place + HEAD : place + HEAD + length]
            place += HEAD + length
            if kind in (1, 4):  # whole, or the last part
                record = wandb_internal_pb2.Record()
                record.ParseFromString(parts)
                parts = b""
                yield record

    return read


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """Working folder with a data set and a target of its own; `train_arguments` train on it."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "data").mkdir()
    write_cohort(folder / "data")
    (folder / "conf" / "target").mkdir(parents=True)
    (folder / "conf" / "target" / "ball.yaml").write_text(TARGET)
    return folder


@pytest.fixture(scope="session")
def train_arguments(tiny) -> list[str]:
    """Command line of a training that takes seconds."""
    return [
        str(ROOT / "train.py"),
        f"--config-dir={tiny / 'conf'}",
        f"data.root={tiny / 'data' / 'manifest.tsv'}",
        *SMALL,
    ]


@pytest.fixture(scope="session")
def trained(tiny, train_arguments, command) -> tuple[Path, subprocess.CompletedProcess]:
    """An unbroken run: its folder, and what it printed."""
    folder = tiny / "unbroken"
    return folder, command(*train_arguments, f"hydra.run.dir={folder}", cwd=tiny)


@pytest.fixture(scope="session")
def resumed(tiny, train_arguments, fork_server, command) -> Path:
    """The same run, killed without warning after its first checkpoint, and then resumed."""
    folder, log = tiny / "killed", tiny / "killed.log"
    killed = Command(
        ["train.py", *train_arguments[1:], f"hydra.run.dir={folder}"],
        str(tiny),
        str(log),
        inside=str(folder),
        kill_after=str(folder / "weights" / "last.ckpt"),
        environment=dict.fromkeys(fork_server.environment) | quiet(),
    )
    outcome = fork_server.run(killed)
    assert outcome.status == -signal.SIGKILL, outcome.text[-6000:]
    assert not (folder / "summary.json").exists(), "the run was over before it could be killed"
    command("train.py", f"--config-dir={tiny / 'conf'}", f"resume={folder}", cwd=tiny)
    return folder


@pytest.fixture(scope="session")
def mr():
    """A made-up MR scanner: its geometry, `slice_of` a number, `write` for a folder of slices."""
    return scanner()
