"""Run one training: prepare → train → predict the held-out cases → score → tables."""

import copy
import logging
import math
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only
from torch import nn

from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.batches.prepare import content_hashes
from neurotarget.data.tables.named_labels import target_settings
from neurotarget.metrics.own_metrics import OwnMetrics
from neurotarget.problems import DataError
from neurotarget.process.allocator import keep_freed_memory
from neurotarget.process.exit_codes import print_problems
from neurotarget.runs.folder.jobs import ACCEPT, key_of
from neurotarget.runs.folder.run_folder import (
    begin_run,
    open_run,
    resumable_state,
    run_record,
)
from neurotarget.runs.network.fitting import fit_patch
from neurotarget.runs.network.objects import build_target
from neurotarget.runs.network.pretrained import load_pretrained, pretrained_weights
from neurotarget.runs.network.standard_scale import learn_scale
from neurotarget.runs.network.task_class import task_class
from neurotarget.runs.tracking.cost import write_cost
from neurotarget.runs.tracking.trackers import finish, loggers, run_tags
from neurotarget.training.callbacks import Loading, Opening
from neurotarget.training.cascade import localise
from neurotarget.training.data_record import fingerprint, keep_contents, write_splits, write_usual
from neurotarget.training.first_messages import announce, replayable
from neurotarget.training.frozen_layers import settle_frozen
from neurotarget.training.localising import located
from neurotarget.training.own_parts import own_callbacks, own_metrics
from neurotarget.training.rehearsal import print_rehearsal, refuse_given_test
from neurotarget.training.resources.devices import rank
from neurotarget.training.resources.memory_forecast import fit_memory
from neurotarget.training.resources.plan_auto import as_planned, with_plan
from neurotarget.training.resumed import print_resumed, refuse_corrected
from neurotarget.training.training_parts import Config, Parts, Start, build_data, build_parts, fit
from neurotarget.types import Target

END = "neurotarget.training.finish"  # with statistics and figures, which no step needs


def train(config: Config, start: Start) -> dict[str, float]:
    """Run one experiment from files to tables; returns the validation scores at their best.

    Args:
        config: resolved configuration of plain values, as `conf/train.yaml` composes it.
        start: folder of the run, and the command that started it.

    Raises:
        DataError: a setting or the data are invalid.
    """
    folder = start.folder
    config = copy.deepcopy(dict(config))
    is_dry = config["dry_run"]
    is_main = _prepare_process(config, start)
    last = folder / "weights" / "last.ckpt"
    state = resumable_state(last) if config["resume"] and last.is_file() else None
    frozen_lines = settle_frozen(config)
    config["target"] = target_settings(config["target"], config["data"]["root"])
    target = build_target(config["target"])
    data = build_data(config, target)
    refuse_given_test(config, data)
    callbacks = own_callbacks(config.get("callbacks"))
    metrics = own_metrics(config.get("metrics"))
    net, fitted = _test_network(config, target, resumed=state is not None)
    memory = "" if net is None else fit_memory(config, data, fitted, net)
    if is_main:
        done = state["global_step"] if state else 0
        announce(config, start, data, fitted, net=net, done=done, memory=memory)
    config, target, localise_lines = located(
        config, data, folder, resumed=state is not None, patch_vox=fitted.patch_vox
    )
    data.change(target=target)
    config, scale_lines = learn_scale(config, data, folder, resumed=state is not None)
    pl.seed_everything(_seed(config), verbose=False)  # same state whether or not a probe was timed
    boxed = [] if is_dry else _localise(config, folder, data)
    localised = [*frozen_lines, *localise_lines, *scale_lines, *boxed]
    config, planned = _planned(config, start, data=data, resumed=state is not None)
    # test all settings before the long computation
    parts = build_parts(
        config,
        folder,
        target,
        data,
        resumed=state is not None,
        callbacks=[*start.callbacks, *callbacks],
    )
    lines = [*localised, *planned, *parts.lines, *([] if memory else _memory(config, parts))]
    config["patch_vox"] = list(parts.target.patch_vox)
    if is_dry:
        has_localiser = bool((config.get("cascade") or {}).get("localise"))
        print_rehearsal(config, parts, has_localiser=has_localiser, notes=lines)
        return {}
    if not is_main:
        data.prepare_data()
        _fit(start, parts, [], last if state else None)
        return dict(parts.best.values)
    record, opening = _opened(config, start, lines, state)
    parts.trainer.callbacks.insert(0, opening)
    parts.trainer.callbacks.append(Loading(END))
    data.prepare_data()
    _keep_corrected(config, folder, data, state=state, parts=parts)
    made = _tracked(config, start, data, record, state)

    def conclude() -> None:
        opening.write_once()  # where no step was left to train
        _conclude(config, start, parts, made, metrics=metrics)

    _fit(start, parts, made, last if state else None, conclude)
    return dict(parts.best.values)


def _prepare_process(config: Config, start: Start) -> bool:
    """Prepare this process and the run's folder; returns whether this process has rank 0.

    Raises:
        DataError: the seed is not a whole number.
    """
    _hide_hints()
    keep_freed_memory()
    pl.seed_everything(_seed(config), verbose=False)
    # Lightning reads it from the environment, where Slurm numbers all tasks
    rank_zero_only.rank = rank(config["trainer"])
    is_main = rank_zero_only.rank == 0
    if is_main and not config["dry_run"]:
        # whether the folder has the command line of an earlier start of this run
        is_recorded = bool(config["resume"]) and (start.folder / "overrides.yaml").is_file()
        begin_run(start.folder, [*start.overrides], is_resumed=is_recorded)
    return is_main


def _fit(
    start: Start,
    parts: Parts,
    made: list[Logger],
    resumed: Path | None,
    conclude: Callable[[], None] | None = None,
) -> None:
    """Train, then conclude; loggers record whether either failed."""
    failed = True
    try:
        with replayable(start):
            fit(parts, made, resumed)
        if conclude is not None:
            conclude()
        failed = False
    except Exception as error:
        failed = type(error).__name__ != "TrialPruned"  # stopped by Optuna: no failure
        raise
    finally:
        finish(made, failed=failed)


def _memory(config: Config, parts: Parts) -> list[str]:
    """Forecast the memory for a network that was not known before."""
    return [f"memory    {fit_memory(config, parts.data, parts.target, parts.task.net)}"]


def _conclude(
    config: Config, start: Start, parts: Parts, made: list[Logger], *, metrics: OwnMetrics
) -> None:
    """Write the cost of a training, and score its held-out cases or check its validation."""
    end = import_module(END)
    write_cost(
        start.folder,
        parts.meter,
        parts.task.net,
        in_channels=len(parts.target.channels),
        batch_size=parts.data.batch_size,
        patch_vox=parts.target.patch_vox,
    )
    if config["held_out"]:
        end.finish_run(config, start, parts, made, metrics=metrics)
    else:
        end.print_learning(parts, config, made)


def _opened(
    config: Config, start: Start, lines: Sequence[str], state: Config | None
) -> tuple[dict[str, Any], Opening]:
    """Print the parts of the run; returns the content of run.json and the callback that writes it.

    For a new run, run.json is written at once.
    """
    for line in lines:
        print(f"  {line}", flush=True)
    print_resumed(config, state, start.folder)
    record = run_record(start.folder)
    opening = Opening(partial(open_run, start.folder, dict(config), record, [*start.overrides]))
    if state is None:
        opening.write_once()
    return record, opening


def _tracked(
    config: dict[str, Any], start: Start, data: TargetData, record: Config, state: Config | None
) -> list[Logger]:
    """Write the record of the data into the run folder, and create the loggers."""
    folder = start.folder
    print_problems(data.warnings)
    write_splits(data, folder, resumed=state is not None)
    write_usual(data, folder)
    keep_contents(
        folder,
        content_hashes(data.manifest, data.target, data.cache),
        resumed=state is not None,
        accepted=config[ACCEPT] is True,
    )
    config["data_fingerprint"] = fingerprint(data)
    return loggers(
        folder,
        config["logger"],
        run_id=record["id"],
        name=f"{config['name']}/{folder.name}",
        config=config | {"versions": record["versions"], "code": record["code"]},
        resumed_step=state["global_step"] if state else 0,
        tags=run_tags(
            data.target.name, start.model, fold=config["data"]["fold"], seed=config["seed"]
        ),
    )


def _keep_corrected(
    config: Config, folder: Path, data: TargetData, *, state: dict | None, parts: Parts
) -> None:
    """Refuse, before training, to discard predicted masks that a person has corrected."""
    epochs, steps = parts.trainer.max_epochs, parts.trainer.max_steps
    is_over = state is not None and (
        state["global_step"] >= steps > 0 or state["epoch"] + 1 >= (epochs or math.inf) > 0
    )
    if config["held_out"] and not is_over:  # predictions of the same weights are kept
        refuse_corrected(folder, data)


def _test_network(
    config: Config, target: Target, *, resumed: bool
) -> tuple[nn.Module | None, Target]:
    """Build a network for testing, and the target with its patch; no network with plan=auto.

    Pretrained weights are tested too, before a localiser trains.
    """
    source = None if resumed else config["pretrained"]
    if config["plan"]["auto"]:
        if source:
            pretrained_weights(source)
        return None, target
    kind = task_class(config)
    net, fitted, _ = fit_patch(config["patch_vox"], config["model"], target, task=kind)
    if source:
        load_pretrained(source, net)
    return net, fitted


def _planned(
    config: dict[str, Any], start: Start, *, data: TargetData, resumed: bool
) -> tuple[dict[str, Any], list[str]]:
    """Return the configuration with the choices of `plan=auto`; a resumed run keeps them."""
    if not config["plan"]["auto"]:
        return config, []
    if resumed:
        planned, lines = as_planned(config, start.folder), []
    else:
        keys = set(map(key_of, start.overrides))
        planned, lines = with_plan(config, keys, data=data, target=data.target)
    data.change(batch_size=planned["data"]["batch_size"])
    return planned, [f"plan      {line}" for line in lines]


def _localise(config: Config, folder: Path, data: TargetData) -> list[str]:
    """Give the data the boxes of a cascade, if the run has one; returns sentences about them."""
    cascade = localise(config, data.target, folder)
    if cascade is None:
        return []
    data.change(boxes=cascade.boxes)
    pl.seed_everything(_seed(config), verbose=False)  # same state if the localiser was loaded
    return cascade.lines


def _seed(config: Config) -> int:
    if not isinstance(config["seed"], int):
        raise DataError(f"seed: got {config['seed']!r}, wanted a whole number; set seed=1")
    return config["seed"]


def _hide_hints() -> None:
    """Hide Lightning's advertisements and hints for developers."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for hint in (
        ".*LeafSpec.*",
        ".*in eval mode at the start of training.*",  # frozen layers
        ".*does not have many workers.*",
        ".*exists and is not empty.*",
        ".*smaller than the logging.*",
    ):
        warnings.filterwarnings("ignore", hint)
