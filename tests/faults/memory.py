"""Peak memory of long work, which must not grow with the number of steps or cases."""

from pathlib import Path

from faults.fork_server import Command, Server
from faults.scenarios import train

GROWTH_MB = 60.0  # between the short and the long one


def growth_mb(server: Server, state: Path) -> dict[str, float]:
    """Peak of a long command minus that of a short one, MB: training steps, predicted cases."""
    steps = [
        _peak_mb(
            server,
            state,
            train(
                "trainer.max_epochs=1", f"data.patches_per_epoch={patches}", run=f"long{patches}"
            ),
        )
        for patches in (96, 1440)  # in batches of 4
    ]
    cases = []
    for number in (4, 64):
        _write_manifest(state, number)
        argv = ["predict.py", "run=run", f"input=data/{number}.tsv", f"output=out{number}"]
        cases.append(_peak_mb(server, state, argv))
    return {"24 to 360 steps": steps[1] - steps[0], "4 to 64 cases": cases[1] - cases[0]}


def _peak_mb(server: Server, state: Path, argv: list[str]) -> float:
    log = state.with_name("memory.log")
    outcome = server.run(Command(argv, str(state), str(log), str(state), timeout_s=900))
    if outcome.status != 0:
        raise RuntimeError(f"{argv} ended with {outcome.status}: {outcome.text[-500:]}")
    return outcome.memory_mb


def _write_manifest(state: Path, cases: int) -> None:
    rows = [f"c{number}\tc{number}\tsub-{number % 8:02d}.nii.gz" for number in range(cases)]
    text = "case_id\tsubject_id\tt1\n" + "\n".join(rows) + "\n"
    (state / "data" / f"{cases}.tsv").write_text(text)
