"""Write the results of a search so far: table of trials, page, and next command."""

import math
import shlex
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from neurotarget.files.reading import read_plain
from neurotarget.files.writing import table_text, write_text
from neurotarget.problems import DataError
from neurotarget.process.programs import command_for
from neurotarget.report.search.search import Objective, Parameter, Sweep
from neurotarget.report.search.search_page import sweep_html
from neurotarget.report.text.sentences import title_of
from neurotarget.runs.folder.jobs import INVOCATION_KEYS, JobResult, key_of
from neurotarget.sweeps.optuna_study import Search, importances
from neurotarget.sweeps.search_space import Dimension

if TYPE_CHECKING:
    import optuna

STATUS = {"COMPLETE": "done", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}
UNSEEN = (
    "Trials are rated on validation cases only; no trial has used the held-out cases. The "
    "best of many trials is partly the luckiest, so its value here is too good: the command "
    "trains it again and scores the held-out cases once."
)
NOT_PRUNED = "Bad trials ran to their end: Optuna stops trials early by one objective only."
UNLEARNT = "not_learnt"  # attribute of a trial whose network has not learnt: the reason
AT = "at"  # attribute of a trial: its folder and process
PAGE = "sweep.html"
TABLE = "trials.tsv"
PAGE_EVERY_S = 20.0
SHOWN = 8  # trials named in a line
OWN = ("sweep", "held_out", *INVOCATION_KEYS)  # settings of the search, not of a single training


@dataclass
class Tables:
    """Settings for the tables and the page of a search, which `write` updates."""

    folder: Path
    target: str
    search: Search
    space: tuple[Dimension, ...]
    overrides: tuple[str, ...]  # overrides of every trial, and --config-dir
    _drawn: str = ""  # the table that the page shows
    _drawn_s: float = -math.inf  # when

    def write(self, study: "optuna.Study", *, at_end: bool = False) -> None:
        """Write trials.tsv and sweep.html from the current state of the study.

        The page takes a second, so it is written at most once per `PAGE_EVERY_S`, and `at_end`.
        """
        trials = trials_table(study, self.search, self.space)
        table = table_text(trials)
        write_text(self.folder / TABLE, table)
        is_due = at_end or time.monotonic() - self._drawn_s > PAGE_EVERY_S
        if is_due and table != self._drawn:
            self._write_page(study, trials)
            self._drawn, self._drawn_s = table, time.monotonic()

    def _write_page(self, study: "optuna.Study", trials: pd.DataFrame) -> None:
        best = best_trials(study)
        objectives = self.search.objectives
        shares = importances(study, objectives)
        sweep = Sweep(
            target=self.target,
            objectives=tuple(map(Objective, objectives, self.search.directions)),
            parameters=tuple(Parameter(one.key, is_log=one.is_log) for one in self.space),
            trials=trials,
            importances=pd.DataFrame(shares, columns=["objective", "parameter", "importance"]),
            best=tuple(trial.number for trial in best),
            space="\n".join(one.text for one in self.space),
            command=command_of(best[0], self.overrides, self.space) if best else "",
            facts=_facts(self.search, trials),
            notes=(UNSEEN, NOT_PRUNED) if len(objectives) > 1 else (UNSEEN,),
        )
        title = title_of(self.search.study_name)
        write_text(self.folder / PAGE, sweep_html(sweep, title=title))


def trials_table(study: "optuna.Study", search: Search, space: Sequence[Dimension]) -> pd.DataFrame:
    """Return a table with one row per started trial, by number; columns as in `Sweep.trials`.

    Settings whose choices are all numbers are numbers in the table; other settings are text.

    `search` gives the objectives, `space` the settings; both are columns.
    """
    rows = []
    for trial in study.get_trials(deepcopy=False):
        if trial.state.name not in STATUS:
            continue
        row = {"trial": trial.number, "status": STATUS[trial.state.name]}
        row |= {one.key: trial.params.get(one.key, math.nan) for one in space}
        values = trial.values or [math.nan] * len(search.objectives)
        row |= dict(zip(search.objectives, values, strict=True))
        row["seconds"] = trial.user_attrs.get("seconds", math.nan)
        row["folder"] = str(trial.user_attrs.get(AT, {}).get("folder", ""))
        why = trial.user_attrs.get(UNLEARNT, "")
        row["reason"] = f"not learnt: {why}" if why else str(trial.user_attrs.get("reason", ""))
        rows.append(row)
    keys = [one.key for one in space]
    columns = ["trial", "status", *keys, *search.objectives, "seconds", "folder", "reason"]
    table = pd.DataFrame(rows, columns=columns)
    for one in space:
        if not one.choices or _are_numbers(one.choices):
            table[one.key] = pd.to_numeric(table[one.key])
    return table.astype(dict.fromkeys((*search.objectives, "seconds"), float))


def _are_numbers(choices: Iterable[str]) -> bool:
    try:
        return all(math.isfinite(float(choice)) for choice in choices)
    except ValueError:
        return False


def best_trials(study: "optuna.Study") -> list["optuna.trial.FrozenTrial"]:
    """Return the best trial, or for several objectives the Pareto front by the first objective.

    Trials whose network has not learnt are excluded.
    """
    done = [trial for trial in completed(study) if UNLEARNT not in trial.user_attrs]
    if not done:
        return []
    sign = -1 if study.directions[0].name == "MAXIMIZE" else 1

    def place(trial: "optuna.trial.FrozenTrial") -> tuple[float, int]:
        """Return the sort key: first objective, best first, then trial number."""
        return sign * trial.values[0], trial.number

    if len(study.directions) == 1:
        return [min(done, key=place)]
    front = [trial for trial in study.best_trials if UNLEARNT not in trial.user_attrs]
    return sorted(front, key=place)


def completed(study: "optuna.Study") -> list["optuna.trial.FrozenTrial"]:
    """Return trials whose training finished, including networks that have not learnt."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]


def command_of(
    trial: "optuna.trial.FrozenTrial", overrides: Sequence[str], space: Sequence[Dimension]
) -> str:
    """Return the command that trains with a trial's settings and scores the held-out cases.

    Settings of the search itself are absent from it.

    Args:
        trial: a trial, usually the best.
        overrides: overrides of every trial, and --config-dir.
        space: searched settings; those that the trial did not use are left out.
    """
    kept = [one for one in overrides if key_of(one).split(".")[0] not in OWN]
    sampled = [f"{one.key}={trial.params[one.key]}" for one in space if one.key in trial.params]
    return shlex.join([*command_for("train"), *kept, *sampled])


def trial_line(study: "optuna.Study", number: int, result: JobResult, tables: Tables) -> str:
    """Write the result of a trial and the best trial so far, in one line for the terminal.

    Args:
        study: study that contains the result.
        number: number of the trial.
        result: result of the trial's job; a failed job is listed with its log.
        tables: names of objectives and settings.
    """
    trial = study.get_trials(deepcopy=False)[number]
    status, reason = STATUS[trial.state.name], trial.user_attrs.get("reason", "")
    if status == "failed":
        return f"trial {number}: failed: {reason}; its log: {result.log}"
    sampled = [(one.key, trial.params[one.key]) for one in tables.space]
    settings = " ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in sampled
    )
    best = best_trials(study)
    if status == "pruned":
        result_text = f"pruned: {reason}"
    else:
        named = zip(tables.search.objectives, trial.values, strict=True)
        result_text = ", ".join(f"{name} {value:.4f}" for name, value in named)
        result_text += ", NOT LEARNT" if UNLEARNT in trial.user_attrs else ""
    if len(study.directions) > 1:
        so_far = f"{len(best)} on the Pareto front"
    else:
        so_far = f"best so far trial {best[0].number}, {best[0].values[0]:.4f}" if best else "-"
    return f"trial {number}: {result_text}  ({settings}; {so_far})"


def conclusion(study: "optuna.Study", tables: Tables) -> str:
    """Write the result of the search, and the next command.

    The text names the best trial, the command that trains it, and the page. It counts the trials
    that have not learnt.

    Raises:
        DataError: no trial was finished, and none is running.
    """
    trials, best = study.get_trials(deepcopy=False), best_trials(study)
    elsewhere = sum(trial.state.name == "RUNNING" for trial in trials)
    lines = [f"{elsewhere} trials still run in other processes"] if elsewhere else []
    done = completed(study)
    if unlearnt := [trial.number for trial in done if UNLEARNT in trial.user_attrs]:
        named = ", ".join(map(str, unlearnt[:SHOWN])) + (", …" if len(unlearnt) > SHOWN else "")
        lines.append(f"NOT LEARNT: {len(unlearnt)} of {len(done)} trials, never the best: {named}")
    if best:
        named = "best" if len(study.directions) == 1 else "first on the Pareto front"
        lines += [
            f"{named}: trial {best[0].number}; train it, and score the held-out cases, with",
            f"  {command_of(best[0], tables.overrides, tables.space)}",
            f"page  {tables.folder / PAGE}",
        ]
    elif done:
        lines.append(f"no trial has learnt, so none is best; see {tables.folder / PAGE}")
    elif not elsewhere:
        reasons = [trial.user_attrs.get("reason", "") for trial in trials]
        why = next((reason for reason in reasons if reason), "none was started")
        raise DataError(
            f"search: found no trial that was done among {len(trials)} ({why}); correct that and "
            f"search in another hydra.sweep.dir; the logs are in {tables.folder}"
        )
    return "\n".join(lines)


def seconds_of(folder: Path, lasted_s: float | None) -> float | None:
    """Return the recorded seconds of training over all starts of the job; else `lasted_s`."""
    try:
        return float(read_plain(folder / "cost.json")["train_s"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return lasted_s


def _facts(search: Search, trials: pd.DataFrame) -> dict[str, str]:
    counts = trials["status"].value_counts()
    listed = ", ".join(
        f"{counts[status]} {status}" for status in STATUS.values() if status in counts
    )
    metrics = search.metrics
    shown = [f"mean of {name}<label>" if name.endswith("/") else name for name in metrics]
    return {
        "Objective": ", ".join(shown),
        "Trials": f"{search.trials} requested: {listed}",
        "Sampler": f"{search.sampler}, {search.startup_trials} random trials first",
        "Pruner": search.pruner,
        "Seed": str(search.seed),
        "Study": search.study_name,
        "Storage": search.shown_storage,
    }
