"""Results of studies of people as a run: what is printed, and what loggers get."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import wandb
from pytorch_lightning.loggers import Logger

from neurotarget.runs.tracking.trackers import on_wandb
from neurotarget.studies.from_tables.written_tables import WrittenTables


def finite_values(values: Mapping[str, float]) -> dict[str, float | None]:
    """Values for JSON, which knows no NaN; those that are not finite become None."""
    return {key: value if np.isfinite(value) else None for key, value in values.items()}


def print_run(done: WrittenTables, folder: Path) -> None:
    """Print headlines, notes and paths of a study in a run folder, `folder`."""
    for line in done.headlines:
        print(line)
    for note in done.notes:
        print(f"  note: {note}")
    print(f"\nrun folder  {folder}\nreport      {done.page}", flush=True)


def log_study(
    made: Sequence[Logger], name: str, done: WrittenTables, values: Mapping[str, float]
) -> None:
    """Give loggers the values of a study, and Weights & Biases its figures and scores too.

    Args:
        made: loggers of the run.
        name: survival or radiomics, the prefix of figures and tables.
        done: written study.
        values: main scores by name; logged as `test/<name>`, and as the summary of the run.
    """
    for logger in made:
        logger.log_metrics({f"test/{key}": value for key, value in values.items()}, step=0)
        logger.save()

    def act(run: "wandb.Run") -> None:
        """Set the summary, and log figures and the table of scores."""
        run.summary.update(dict(values))
        images = {f"{name}/{key}": wandb.Image(str(path)) for key, path in done.figures.items()}
        scores = wandb.Table(dataframe=done.study.tables["scores"].astype(str))
        run.log(images | {f"{name}/scores": scores})

    on_wandb(made, act)
