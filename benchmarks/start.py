"""How long the commands take to start: training to its first step, prediction to its first case.

    python benchmarks/start.py [cases=8] [rounds=3]

A small cohort is generated and a short training is run on it in a temporary folder, which fills the
cache and the bytecode. Then, `rounds` times, `train.py experiment=pituitary` is started again until
its first optimizer step, and `predict.py` until it opens the first scan. Both are printed: seconds
on the clock, and CPU seconds of the process and of its ended children, which a busy machine changes
less.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Callback

ROOT = Path(__file__).resolve().parents[1]
DEFAULTS = {"cases": 8, "rounds": 3}
OPENED = """
import os, runpy, sys
sys.argv = sys.argv[1:]
def opened(event, arguments):
    if event == "open" and str(arguments[0]).startswith(os.environ["BENCHMARK_SCANS"]):
        used = os.times()
        print("began after", used.user + used.system + used.children_user + used.children_system)
        sys.stdout.flush()
        os._exit(0)
sys.addaudithook(opened)
runpy.run_path(sys.argv[0], run_name="__main__")
"""
BEGAN = "began after "


class FirstStep(Callback):
    """Ends a training after its first optimizer step; prints the CPU seconds until then."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:  # noqa: ARG002
        """Print and end."""
        used = os.times()
        print(BEGAN, used.user + used.system + used.children_user + used.children_system)
        sys.stdout.flush()
        os._exit(0)


def run(folder: Path, *arguments: object, **environment: str) -> tuple[float, float]:
    """Run Python to its end; seconds on the clock, and CPU seconds as it printed them or NaN.

    Raises:
        SystemExit: the command failed; its output is printed.
    """
    names = {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "benchmarks")])}
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=kept | names | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    wall_s = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{done.stdout}\n{done.stderr}\n{arguments} failed")
    found = [line for line in done.stdout.splitlines() if line.startswith(BEGAN)]
    return wall_s, float(found[-1].removeprefix(BEGAN)) if found else float("nan")


def main(arguments: list[str]) -> None:
    """Print the times of each round and their medians."""
    pairs = dict(argument.split("=", 1) for argument in arguments)
    if unknown := {*pairs} - {*DEFAULTS}:
        raise SystemExit(f"unknown {', '.join(sorted(unknown))}; known are {', '.join(DEFAULTS)}")
    given = DEFAULTS | {name: int(value) for name, value in pairs.items()}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place).resolve()
        training = [
            ROOT / "train.py",
            "experiment=pituitary",
            f"data.source.plan.num_cases={given['cases']}",
            "data.patches_per_epoch=16",
            "budget.steps=2",
            "held_out=false",
        ]
        run(folder, *training, "hydra.run.dir=trained")
        (scans,) = (folder / "datasets").glob("phantom/*/images")
        prediction = [ROOT / "predict.py", "run=trained", f"input={scans}", "output=predicted"]
        commands = {
            "train to the first step": [*training, "+callbacks.first._target_=start.FirstStep"],
            "predict to the first case": ["-c", OPENED, *prediction],
        }
        for name, command in commands.items():
            found = [
                run(folder, *command, BENCHMARK_SCANS=str(scans)) for _ in range(given["rounds"])
            ]
            each = ", ".join(f"{wall:.1f}/{cpu:.1f}" for wall, cpu in found)
            wall, cpu = (statistics.median(values) for values in zip(*found, strict=True))
            print(f"{name:26} {wall:5.1f} s, {cpu:5.1f} s CPU ({each})", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
