import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from oracles.balls import SMALL, TARGET, write_cohort
from oracles.mr_scanner import scanner

ROOT = Path(__file__).resolve().parents[1]

# the same inputs in every run; folders of a test are shared by all of its inputs
settings.register_profile(
    "fixed",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("fixed")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data for tests; it is not part of the project."""
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    root = Path(os.environ.get("NEUROTARGET_DATA", beside))
    if not root.is_dir():
        pytest.skip(f"real data are absent: no folder {root} (set NEUROTARGET_DATA)")
    return root


@pytest.fixture(scope="session")
def cases_folder() -> Path:
    """Folder of inputs that failed once; they are not part of the project."""
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("NEUROTARGET_DATA", beside)).parent / "cases" / "inputs"
    if not folder.is_dir():
        pytest.skip("shared/cases is not here")
    return folder


@pytest.fixture(scope="session")
def statistics(cases_folder) -> Path:
    """Folder of tables whose right statistics are known."""
    return cases_folder.parent / "statistics"


def run_python(*words: object, cwd: Path, check: bool = True) -> subprocess.CompletedProcess:
    """Run a Python file of the project as its user would."""
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(
        command, cwd=cwd, env=quiet(), capture_output=True, text=True, check=False
    )
    if check and done.returncode:
        pytest.fail(f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
    return done


def quiet() -> dict[str, str]:
    """Environment without a W&B account, so that nothing leaves the machine."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_")}
    return kept | {"OMP_NUM_THREADS": "2", "NETRC": "/nonexistent"}


@pytest.fixture(scope="session")
def command():
    """`command(script, *words, cwd=…)` runs one of the project's scripts to its end."""
    return lambda script, *words, **how: run_python(ROOT / script, *words, **how)


BLOCK, HEAD = 32 * 1024, 7  # W&B's file is LevelDB's log format behind a head of its own


@pytest.fixture(scope="session")
def wandb_records():
    """`wandb_records(file)` yields the records of an offline run."""

    def read(path: Path):
        # W&B takes a second to import
        from wandb.proto import wandb_internal_pb2

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
    """Working folder with a data set and a target of its own; `train_words` train on it."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "data").mkdir()
    write_cohort(folder / "data")
    (folder / "conf" / "target").mkdir(parents=True)
    (folder / "conf" / "target" / "ball.yaml").write_text(TARGET)
    return folder


@pytest.fixture(scope="session")
def train_words(tiny) -> list[str]:
    """Command line of a training that takes seconds."""
    return [
        str(ROOT / "train.py"),
        f"--config-dir={tiny / 'conf'}",
        f"data.root={tiny / 'data' / 'manifest.tsv'}",
        *SMALL,
    ]


@pytest.fixture(scope="session")
def trained(tiny, train_words) -> tuple[Path, subprocess.CompletedProcess]:
    """An unbroken run: its folder, and what it printed."""
    folder = tiny / "unbroken"
    return folder, run_python(*train_words, f"hydra.run.dir={folder}", cwd=tiny)


@pytest.fixture(scope="session")
def resumed(tiny, train_words) -> Path:
    """The same run, killed without warning after its first checkpoint, and then gone on with."""
    folder = tiny / "killed"
    words = [sys.executable, *train_words, f"hydra.run.dir={folder}"]
    with (tiny / "killed.log").open("w") as log:
        process = subprocess.Popen(words, cwd=tiny, env=quiet(), stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while not (folder / "weights" / "last.ckpt").is_file():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                pytest.fail((tiny / "killed.log").read_text()[-6000:])
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (folder / "summary.json").exists(), "the run was over before it could be killed"
    run_python(ROOT / "train.py", f"--config-dir={tiny / 'conf'}", f"resume={folder}", cwd=tiny)
    return folder


@pytest.fixture(scope="session")
def mr():
    """A made-up MR scanner: its geometry, `slice_of` a number, `write` for a folder of slices."""
    return scanner()
