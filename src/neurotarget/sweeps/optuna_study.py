"""Optuna's part of a search: settings, study, storage, sampler, pruner, objectives."""

import json
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from neurotarget.problems import DataError
from neurotarget.report.search.search import Direction
from neurotarget.stats.cohort.learning import NOT_LEARNT, judge_validation
from neurotarget.tasks.base import TargetTask
from neurotarget.tasks.segmentation import SegmentationTask

if TYPE_CHECKING:
    import optuna

SAMPLERS = ("tpe", "random", "gp", "nsga2")
PRUNERS = ("median", "hyperband", "none")
SQLITE_WAIT_S = 60.0  # timeout for another process's write


@dataclass(frozen=True, slots=True)
class Search:
    """Validated settings of a search, from `sweep` of the configuration.

    `objectives`, `metrics` and `directions` are in the same order. `startup_trials` are sampled at
    random, before sampler and pruner use earlier trials; `parallel` is the number of trials per
    call of the launcher.
    """

    objectives: tuple[str, ...]
    metrics: tuple[str, ...]  # logged for each objective; one that ends in "/" once per label
    directions: tuple[Direction, ...]
    trials: int
    startup_trials: int
    warmup_epochs: int  # epochs before a trial may be pruned
    sampler: str
    pruner: str  # "none" with several objectives: Optuna prunes by one value
    storage: str
    study_name: str
    seed: int
    parallel: int

    @property
    def shown_storage(self) -> str:
        """URL of the storage without its password."""
        return masked(self.storage)


def read_search(
    sweep: Mapping[str, Any],
    folder: Path,
    name: str,
    task: type[TargetTask] = SegmentationTask,
) -> Search:
    """Check the settings of the search in `folder` and return them.

    Args:
        sweep: section `sweep` of the resolved configuration.
        folder: folder of the search; the default storage is study.db in it.
        name: name of the study, unless the settings name the study.
        task: task that declares the possible objectives; `auto` takes the first.

    Raises:
        DataError: a setting has an invalid value; the message names the valid ones.
    """
    objectives = _objectives(sweep["objective"], task)
    metrics = tuple(task.objectives[name] for name in objectives)
    pruner = _one_of(sweep, "pruner", PRUNERS)
    return Search(
        objectives=objectives,
        metrics=metrics,
        directions=tuple(
            "minimize" if task.is_lower_better(metric) else "maximize" for metric in metrics
        ),
        trials=_count(sweep, "trials", 1),
        startup_trials=_count(sweep, "startup_trials", 1),
        warmup_epochs=_count(sweep, "warmup_epochs", 0),
        sampler=_one_of(sweep, "sampler", SAMPLERS),
        pruner="none" if len(objectives) > 1 else pruner,
        storage=str(sweep["storage"] or f"sqlite:///{(folder.resolve() / 'study.db').as_posix()}"),
        study_name=str(sweep["study_name"] or name),
        seed=_count(sweep, "seed", 0),
        parallel=_count(sweep, "parallel", 1),
    )


def _objectives(objective: object, task: type[TargetTask]) -> tuple[str, ...]:
    known = tuple(task.objectives)
    todo = f"; set sweep.objective={' or '.join(known)}, or several: '[{','.join(known[:2])}]'"
    if objective == "auto":
        return known[:1]
    objectives = (objective,) if isinstance(objective, str) else tuple(objective or ())
    if unknown := [one for one in objectives if one not in known]:
        raise DataError(f"sweep.objective: found {unknown[0]!r}, wanted a known one{todo}")
    if not objectives or len(set(objectives)) < len(objectives):
        raise DataError(f"sweep.objective: found {list(objectives)}, wanted each once{todo}")
    return objectives


def _count(sweep: Mapping[str, Any], key: str, least: int) -> int:
    value = sweep[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise DataError(
            f"sweep.{key}: found {value!r}, wanted a whole number of at least {least}; "
            f"set sweep.{key}={least}"
        )
    return value


def _one_of(sweep: Mapping[str, Any], key: str, known: Sequence[str]) -> str:
    value = sweep[key]
    if value not in known:
        raise DataError(
            f"sweep.{key}: found {value!r}, wanted one of {', '.join(known)}; "
            f"set sweep.{key}={known[0]}"
        )
    return str(value)


def masked(text: str) -> str:
    """Hide the passwords of URLs, for messages and pages."""
    return re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", text)


def need_optuna() -> None:
    """Check that Optuna is installed.

    Raises:
        DataError: Optuna is missing or too old; the message states what to install.
    """
    try:
        import optuna
    except ImportError as error:
        raise DataError(
            "sweep=optuna: found no package optuna, wanted version 5 or later; "
            "install it: pip install 'optuna>=5'"
        ) from error
    if int(optuna.__version__.split(".")[0]) < 5:
        raise DataError(
            f"sweep=optuna: found optuna {optuna.__version__}, wanted version 5 or later; "
            "bring it up to date: pip install 'optuna>=5'"
        )


def open_study(search: Search, lock: FileLock) -> "optuna.Study":
    """Open or create the study of a search; one process at a time creates it.

    `lock` is a lock in the folder of the search.

    Raises:
        DataError: the storage cannot be opened, or its study has other objectives.
    """
    wanted = [*search.directions]
    with lock:
        study = _study(search, "create_study", directions=wanted, load_if_exists=True)
    directions = [direction.name.lower() for direction in study.directions]
    if directions != wanted:
        pairs = [f"{to} {name}" for to, name in zip(wanted, search.objectives, strict=True)]
        raise DataError(
            f"sweep.study_name={search.study_name}: found a study to {_listed(directions)} in that "
            f"storage, wanted one to {_listed(pairs)}; choose another "
            "sweep.study_name or hydra.sweep.dir"
        )
    return study


def _listed(items: Sequence[str]) -> str:
    return " and ".join(items)


def load_study(search: Search) -> "optuna.Study":
    """Open the study of a search from one of its jobs.

    Raises:
        DataError: the study does not exist, or the storage cannot be opened.
    """
    return _study(search, "load_study")


def _study(search: Search, function: str, **more: object) -> "optuna.Study":
    """Call a function of Optuna that returns a study."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return getattr(optuna, function)(
            storage=_storage(search.storage),
            study_name=search.study_name,
            sampler=optuna.samplers.RandomSampler(),  # replaced for each trial
            pruner=pruner_of(search),
            **more,
        )
    except Exception as error:  # database drivers raise errors of any type
        raise unopened(search, error) from error


def unopened(search: Search, error: Exception) -> DataError:
    """Return the error for a storage that cannot be opened, with its reason and no password."""
    reason = masked(" ".join(str(error).split())[:300]) or type(error).__name__
    return DataError(
        f"sweep.storage={search.shown_storage}: the study {search.study_name} cannot be opened "
        f"there ({reason}); set sweep.storage=sqlite:///<file> or another URL that Optuna takes, "
        "with its driver installed"
    )


def _storage(url: str) -> "optuna.storages.BaseStorage":
    import optuna

    if url.startswith("sqlite:///"):  # SQLite's own timeout is 5 s
        options = {"connect_args": {"timeout": SQLITE_WAIT_S}}
        return optuna.storages.RDBStorage(url, engine_kwargs=options)
    return optuna.storages.RDBStorage(url)


def sampler_of(search: Search, number: int) -> "optuna.samplers.BaseSampler":
    """Return the sampler of one trial.

    Each trial has its own seed, derived from its number: several processes or a resumed search
    never repeat samples, and a search in one process is reproducible.
    """
    import optuna

    samplers = optuna.samplers
    seed = int(np.random.SeedSequence([search.seed, number]).generate_state(1)[0])
    if search.sampler == "random":
        return samplers.RandomSampler(seed=seed)
    if search.sampler == "nsga2":
        population = max(search.startup_trials, 4)
        return samplers.NSGAIISampler(seed=seed, population_size=population)
    if search.sampler == "gp":
        return samplers.GPSampler(seed=seed, n_startup_trials=search.startup_trials)
    return samplers.TPESampler(seed=seed, n_startup_trials=search.startup_trials)


def pruner_of(search: Search) -> "optuna.pruners.BasePruner":
    """Return the pruner of a search; it counts epochs from 1.

    No trial is pruned within its first `warmup_epochs`. The pruner `none` prunes no trial.
    """
    import optuna

    pruners, spared = optuna.pruners, search.warmup_epochs
    if search.pruner == "median":
        return pruners.MedianPruner(search.startup_trials, n_warmup_steps=spared + 1)
    if search.pruner == "hyperband":
        return pruners.HyperbandPruner(min_resource=spared + 1)
    return pruners.NopPruner()


def objective_values(
    values: Mapping[str, float], metrics: Sequence[str]
) -> tuple[list[float], str]:
    """Compute each objective from logged values, and why one is undefined ("" if none is).

    `metrics` are names of logged values, in the order of the objectives; those that end in `/` are
    means over all labels.
    """
    pairs = [objective_value(values, metric) for metric in metrics]
    return [value for value, _ in pairs], "; ".join(reason for _, reason in pairs if reason)


def objective_value(values: Mapping[str, float], metric: str) -> tuple[float, str]:
    """Compute an objective from logged values; NaN with a reason if it is undefined.

    Args:
        values: logged values by name, such as `val/dice/dentate`.
        metric: one of these names, or a prefix that ends in `/`, which gives the mean over labels.
    """
    of_labels = metric.endswith("/")
    parts = {
        key: float(value)
        for key, value in values.items()
        if key == metric or (of_labels and key.startswith(metric))
    }
    if not parts:
        return math.nan, f"{metric}{'<label>' if of_labels else ''} was never logged"
    if undefined := [key for key, value in parts.items() if not math.isfinite(value)]:
        return math.nan, f"{', '.join(undefined)} is not a number"
    return float(np.mean(list(parts.values()))), ""


def not_learnt(values: Mapping[str, float]) -> str:
    """Return why a trial has not learnt, from its validation metrics; "" if it may have learnt.

    Such a trial is never the best one, whatever its objective.
    """
    learning = judge_validation(values)
    return " ".join(learning.reasons) if learning.verdict == NOT_LEARNT else ""


def check_same_search(study: "optuna.Study", current: Mapping[str, Any]) -> None:
    """Store the definition of the search in the study, and refuse a study with another one.

    Args:
        study: study of the storage, which may be shared with other processes.
        current: definition of the search, from `signature`.

    Raises:
        DataError: the study has another definition; the message lists the differences.
    """
    before = study.user_attrs.get("search")
    if before is None:
        study.set_user_attr("search", json.dumps(current))
        return
    before = json.loads(before)
    changes = [
        f"{key} is {_shown(current.get(key))} and was {_shown(before.get(key))}"
        for key in sorted(current.keys() | before.keys())
        if current.get(key) != before.get(key)
    ]
    if changes:
        raise DataError(
            f"sweep.study_name={study.study_name}: found a study of another search in that storage "
            f"({'; '.join(changes)}); repeat the command it was started with, or choose another "
            "sweep.study_name or hydra.sweep.dir"
        )


def _shown(value: object) -> str:
    return "absent" if value is None else str(value)


def importances(study: "optuna.Study", objectives: Sequence[str]) -> list[tuple[str, str, float]]:
    """Compute the importance of each parameter for each objective, as a share of their sum.

    PED-ANOVA compares the best tenth of the trials, at least five, with the other trials. The list
    has rows of objective, parameter and importance; it is empty for fewer
    than ten trials or a single parameter.
    Source: Watanabe et al. 2023, doi:10.48550/arXiv.2304.10255.
    """
    import optuna

    done = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(done) < 10 or len({name for trial in done for name in trial.params}) < 2:
        return []
    best = max(0.1, 5 / len(done))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=best)
    rows = []
    for index, objective in enumerate(objectives):
        is_lower_better = study.directions[index] == optuna.study.StudyDirection.MINIMIZE
        sign = 1 if is_lower_better else -1  # the evaluator takes the lowest values as the best
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an experimental feature
            by_name = optuna.importance.get_param_importances(
                study,
                evaluator=evaluator,
                target=lambda trial, index=index, sign=sign: sign * trial.values[index],
                normalize=False,
            )
        total = sum(by_name.values())
        rows += [(objective, key, value / total) for key, value in by_name.items() if total > 0]
    return rows
