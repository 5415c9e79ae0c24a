"""Finish a training: post-processing, scores of held-out cases, check that the network learnt.

This module loads statistics, figures and pages, which no training step needs, so `train` loads it
at the first validation. At the end the program may have been updated: the results
would then come from two versions.
"""

import math
import shlex
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger

from neurotarget.metrics.own_metrics import OwnMetrics
from neurotarget.problems import DataError
from neurotarget.report.sections.learned_steps import LEARNED
from neurotarget.report.text.learning_banner import banner, banner_text
from neurotarget.runs.network.localiser_files import localiser_facts
from neurotarget.runs.network.trained_network import LOCALISER
from neurotarget.runs.tracking.final_log import log_best, log_final, log_learning
from neurotarget.stats.cohort.learning import Training, facts_of, judge_validation, time_note
from neurotarget.training.held_out import score_held_out
from neurotarget.training.learn_postprocessing import learn_postprocessing
from neurotarget.training.training_parts import Config, Parts, Start


def finish_run(
    config: Config, start: Start, parts: Parts, made: list[Logger], *, metrics: OwnMetrics
) -> None:
    """Learn post-processing; predict, score and study the held-out cases; log to the trackers.

    Args:
        config: resolved configuration of plain values.
        start: folder of the run, and name of its model.
        parts: parts of the finished training.
        made: loggers of the run.
        metrics: the user's own metrics.

    Raises:
        DataError: the study failed; predictions, rows and summary are already written.
    """
    folder = start.folder
    weights = _usable(config["weights"], folder)
    kind, mode = parts.task.predictor, config["postprocess"]
    learned = learn_postprocessing(folder, parts.data, kind=kind, weights=weights, mode=mode)
    if learned and (line := LEARNED[Path(kind.steps_file).stem].line(learned)):
        print(f"  {line}", flush=True)
    result = score_held_out(
        folder,
        parts.data,
        facts=_facts(config, start, parts),
        task=type(parts.task),
        metrics=metrics,
        weights=weights,
        pictures=int(config["logger"]["pictures"]),
    )
    log_best(made, parts.best.values)
    log_final(made, summary=result.flat, rows=result.rows, study=result.written)
    log_learning(made, result.learning)
    if result.error is not None:
        raise _failed_study(folder, result.error) from result.error


def print_learning(parts: Parts, config: Config, made: list[Logger]) -> None:
    """Check by validation whether a run without held-out cases has learnt; print and log it.

    Nothing is printed for a network that has learnt, unless time limited the training or steps
    waited for data.
    """
    training = _training(parts, config)
    learning = judge_validation(parts.best.values, training)
    lines = [banner_text(banner(learning)), time_note(training)]
    lines.append(parts.stalls.facts(parts.data).get("waiting_note"))
    if message := "\n".join(filter(None, lines)):
        print(message, flush=True)
    log_best(made, parts.best.values)
    log_learning(made, learning)


def _training(parts: Parts, config: Config) -> Training:
    """Collect facts about a training that the study needs to rate its masks."""
    trainer, budget = config["trainer"], config["budget"]
    limit = ""
    if budget["kind"] == "minutes":
        limit = f"budget.minutes={budget['minutes']}"
    elif trainer["max_time"]:
        limit = f"trainer.max_time={trainer['max_time']}"
    best = parts.best.values
    dice, trivial = (
        best.get(f"val/{name}", math.nan) for name in ("dice_mean", "dice_all_foreground")
    )
    return Training(parts.meter.steps, parts.meter.expected_steps, dice, trivial, limit)


def _failed_study(folder: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return DataError(
        f"the study of this run failed ({reason}); its predictions, rows.csv and summary.json are "
        f"kept: {shlex.join(['neurotarget', 'study', f'rows={folder}'])} tries again"
    )


def _usable(weights: str, folder: Path) -> str:
    """Return the chosen weights; the last weights if training ended before a validation."""
    if weights == "best" and not (folder / "weights" / "best.ckpt").is_file():
        print("no validation was due before training ended: the last weights are used")
        return "last"
    return weights


def _facts(config: Config, start: Start, parts: Parts) -> dict[str, Any]:
    localiser, training = localiser_facts(start.folder / LOCALISER), _training(parts, config)
    note = time_note(training)
    return {
        **({"localiser": localiser} if localiser else {}),
        "experiment": str(config["name"]),
        "model": start.model,
        "seed": int(config["seed"]),
        "fold": int(config["data"]["fold"]),
        "train_seconds": round(parts.meter.train_s, 1),
        **parts.stalls.facts(parts.data),
        "training": facts_of(training),
        **({"depends_on_machine": note} if note else {}),
        "data_fingerprint": config["data_fingerprint"],
        "run": str(start.folder),
    }
