"""The results of a run in its Weights & Biases log."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import wandb
from pytorch_lightning.loggers import Logger

from neurotarget.runs.tracking.trackers import on_wandb
from neurotarget.runs.tracking.written_study import WrittenStudy
from neurotarget.stats.cohort.learning import DOUBTFUL, NOT_LEARNT, Learning

MOST_PAGE = 50_000_000  # bytes of a report that is uploaded


def log_final(
    made: Sequence[Logger],
    *,
    summary: Mapping[str, float],
    rows: pd.DataFrame,
    study: WrittenStudy | None,
) -> None:
    """Log the final numbers, rows, study tables, figures, overlays and page to the W&B run.

    Without a W&B run nothing happens; empty tables and a page above `MOST_PAGE` are left out.

    Args:
        made: loggers of the run.
        summary: numbers for the run's summary.
        rows: scores of the held-out cases.
        study: of the run; None without one.
    """
    logged = {"test/rows": rows}
    pictures: dict[str, Path] = {}  # W&B needs pictures of one name to have one size
    if study is not None:
        logged |= {f"study/{name}": table for name, table in study.study.tables.items()}
        pictures = {f"study/figures/{path.stem}": path for path in study.figures}
        pictures |= {f"test/overlays/{path.stem}": path for path in study.overlays}

    def log_results(run: "wandb.Run") -> None:
        """Write summary, tables and pictures, and the report unless its page is too large."""
        run.summary.update(dict(summary))
        tables = {name: _table(table) for name, table in logged.items() if len(table)}
        for name, path in pictures.items():
            tables[name] = wandb.Image(str(path), caption=path.stem)
        if study is not None and study.page.stat().st_size <= MOST_PAGE:
            tables["report"] = wandb.Html(study.page, inject=False)
        run.log(tables)

    on_wandb(made, log_results)


def log_best(made: Sequence[Logger], values: Mapping[str, float]) -> None:
    """Record scores of the best validation in the summary, as `best/val/…`.

    W&B's own summary has those of the last validation.
    """
    best = {f"best/{name}": float(value) for name, value in values.items()}
    on_wandb(made, lambda run: run.summary.update(best))


def log_learning(made: Sequence[Logger], learning: Learning | None) -> None:
    """Record in the summary of the W&B run whether the network has learnt; tag it if not."""
    if learning is None:
        return

    def record(run: "wandb.Run") -> None:
        """Write the verdict with its reasons; tag a run that has not or perhaps not learnt."""
        reasons = " ".join((*learning.reasons, *learning.warnings))
        run.summary.update({"learnt": learning.verdict, "learnt_reasons": reasons})
        if learning.verdict in (NOT_LEARNT, DOUBTFUL):
            run.tags = (*(run.tags or ()), learning.verdict)

    on_wandb(made, record)


def _table(table: pd.DataFrame) -> wandb.Table:
    """A W&B table; text stays text even if some cells are missing."""
    plain = table.astype({name: object for name in table if table[name].dtype.kind not in "ifb"})
    return wandb.Table(dataframe=plain.where(plain.notna(), None))
