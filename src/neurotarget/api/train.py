"""Training from Python, and finished runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from neurotarget.api.notebook_html import html_page, html_table
from neurotarget.api.predict import Predictions, predict
from neurotarget.cli.compose import compose_training, override
from neurotarget.files.reading import load_json
from neurotarget.problems import DataError
from neurotarget.report.pages.summary import summary_text
from neurotarget.runs.folder.run_lock import claimed_alone
from neurotarget.scoring import read_rows
from neurotarget.studies.pictured_cases import CaseView, view_case
from neurotarget.sweeps.pruning import pruning
from neurotarget.training.train import train as run_training
from neurotarget.training.training_parts import Start


@dataclass(frozen=True)
class Run:
    """A run folder: the trained network, its scores, and its report."""

    folder: Path

    @property
    def report(self) -> Path:
        """Path of the report page."""
        return self.folder / "report.html"

    @cached_property
    def summary(self) -> Mapping[str, Any]:
        """Results on the held-out cases, as in summary.json.

        Raises:
            DataError: the run is not finished.
        """
        try:
            return load_json(self.folder / "summary.json")
        except (OSError, ValueError) as error:
            raise DataError(
                f"{self.folder}: found no summary.json ({error}), wanted a finished run; "
                f"continue it with nt.train(resume={str(self.folder)!r})"
            ) from error

    @cached_property
    def rows(self) -> pd.DataFrame:
        """Scores of the held-out cases: case_id, label, metric, value, unit and more."""
        return read_rows(self.folder / "rows.csv")

    @cached_property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Tables of the run's study by name, such as effects and agreement."""
        paths = sorted((self.folder / "study").glob("*.tsv"))
        return {path.stem: pd.read_csv(path, sep="\t", keep_default_na=True) for path in paths}

    def case(self, case_id: str) -> CaseView:
        """Read scan, reference and predicted mask of a held-out case; notebooks show a picture.

        Raises:
            DataError: the run has no such case, or its files cannot be read.
        """
        return view_case(self.folder, case_id)

    def predict(self, scans: object, output: Path | str, **settings: object) -> Predictions:
        """Segment scans with this run; see `neurotarget.predict`."""
        return predict(self, scans, output, **settings)

    def __str__(self) -> str:
        return summary_text(self.summary)

    def _repr_html_(self) -> str:
        agreement = self.tables.get("agreement", pd.DataFrame())
        return html_page(f"Run {self.folder.name}", self.report, html_table(agreement))


def train(
    experiment: str | None = None,
    *,
    root: Path | str | None = None,
    folder: Path | str | None = None,
    resume: Path | str | None = None,
    config_dir: Path | str | None = None,
    overrides: Sequence[str] = (),
    **settings: object,
) -> Run:
    """Train, predict the held-out cases, score them and write the report, as the command does.

    ```
    run = nt.train("hippocampus", root="Task04_Hippocampus", model="segresnet", seed=2)
    run = nt.train(target="amygdala", root="manifest.tsv", optimizer__lr=0.001)
    ```

    Args:
        experiment: name in `conf/experiment`.
        root: the data: a manifest, MSD, nnU-Net or BIDS folder (the key data.root).
        folder: run folder to write; by default runs/<name>/<time>.
        resume: a run folder to continue; other arguments are taken from its record.
        config_dir: folder with your own targets, models and experiments; by default ./conf.
        overrides: further overrides as on the command line, such as "~augment.gamma".
        settings: any key of `conf/train.yaml`; `a__b` stands for the key a.b.

    Returns:
        The finished run.

    Raises:
        DataError: settings or data are invalid; there is one sentence per problem.
    """
    named = {"experiment": experiment, "data.root": root, "hydra.run.dir": folder, "resume": resume}
    given = [override(key, str(value)) for key, value in named.items() if value is not None]
    own = [] if config_dir is None else [f"--config-dir={config_dir}"]
    further = [override(key, value) for key, value in settings.items()]
    composed = compose_training([*own, *given, *further, *overrides])
    if composed.config["job"] != "train":
        raise DataError(
            f"experiment={experiment}: found the job {composed.config['job']}, wanted a training; "
            f"use the command `neurotarget train experiment={experiment}`"
        )
    if composed.config["cv"] is not None or composed.config["dry_run"]:
        raise DataError(
            f"{'cv' if composed.config['cv'] else 'dry_run'}: found it in nt.train, wanted one "
            "training; use the command `neurotarget train`"
        )
    if composed.config["replay"] is not None:
        raise DataError(
            f"replay: found {composed.config['replay']} in nt.train, wanted the command "
            f"`neurotarget train resume={composed.folder} replay={composed.config['replay']}`"
        )
    resume_command = f"nt.train(resume={str(composed.folder)!r})"
    callbacks = pruning(composed.config, composed.folder)  # refuses a search, as the command does
    start = Start(composed.folder, composed.overrides, resume_command, composed.model, callbacks)
    with claimed_alone(composed.folder):
        run_training(composed.config, start)
    sys.stdout.flush()
    return Run(composed.folder)


def open_run(folder: Path | str) -> Run:
    """Open the folder of an earlier training.

    Raises:
        DataError: the folder is not a run folder.
    """
    run = Run(Path(folder))
    if not (run.folder / "config.yaml").is_file():
        raise DataError(f"{folder}: found no config.yaml, wanted a run folder; check the path")
    return run
