"""A sweep with trials made by hand: the learning rate matters, the width hardly does."""

from dataclasses import replace

import numpy as np
import pandas as pd

from neurotarget.report.search.search import Objective, Parameter, Sweep

PARAMETERS = (
    Parameter("optimizer.lr", is_log=True),
    Parameter("model.width"),
    Parameter("optimizer"),
    Parameter("loss.weight"),
)


def a_sweep(objectives: tuple[str, ...] = ("dice",), trials: int = 30) -> Sweep:
    """Dice peaks at a rate of 0.001; every seventh trial is pruned, the twelfth failed."""
    rng = np.random.default_rng(0)
    rate = 10 ** rng.uniform(-5, -1.5, trials)
    number = np.arange(trials)
    status = np.where(number % 7 == 6, "pruned", "done")
    status[11:12] = "failed"
    dice = 0.9 - 0.05 * (np.log10(rate) + 3) ** 2 + rng.normal(0, 0.01, trials)
    table = pd.DataFrame(
        {"trial": number, "status": status, "optimizer.lr": rate,
         "model.width": rng.choice([8, 16, 32], trials),
         "optimizer": rng.choice(["adamw", "sgd", "adamw_transformer"], trials),
         "loss.weight": rng.uniform(0, 1, trials)}
    )  # fmt: skip
    for place, name in enumerate(objectives):
        value = dice if place == 0 else 0.95 - 0.6 * (dice - dice.mean()) + rng.normal(
            0, 0.02, trials
        )  # fmt: skip
        table[name] = np.where(table["status"] == "done", value, np.nan)
    table["seconds"] = rng.uniform(100, 900, trials)
    table["folder"] = [f"trials/{one:03}" for one in number]
    table["reason"] = np.where(table["status"] == "failed", "out of memory", "")
    shares = pd.DataFrame(
        [(name, one.name, share) for name in objectives
         for one, share in zip(PARAMETERS, (0.7, 0.2, 0.096, 0.004), strict=True)],
        columns=["objective", "parameter", "importance"],
    )  # fmt: skip
    return Sweep(
        "gland",
        tuple(Objective(name) for name in objectives),
        PARAMETERS,
        table,
        shares,
        best_of(table, objectives),
        "optimizer.lr: log-uniform from 0.00001 to 0.03\nmodel.width: one of 8, 16, 32",
        "python train.py data=pituitary optimizer.lr=0.001 model.width=16",
        {"Sampler": "tpe"},
        ("Trials are judged on validation cases only.",),
    )


def best_of(table: pd.DataFrame, objectives: tuple[str, ...]) -> tuple[int, ...]:
    """Trials that no other beats in all objectives, by comparing every pair."""
    rows = table[table["status"] == "done"]
    values = rows[list(objectives)].to_numpy()
    beaten = [((values >= one).all(axis=1) & (values > one).any(axis=1)).any() for one in values]
    front = rows[~np.array(beaten)].sort_values(objectives[0], ascending=False)
    return tuple(int(number) for number in front["trial"])


def without_values(sweep: Sweep) -> Sweep:
    """The search when no trial is done."""
    names = [one.name for one in sweep.objectives]
    table = sweep.trials.assign(status="running", **dict.fromkeys(names, np.nan))
    return replace(sweep, trials=table, importances=sweep.importances.iloc[:0], best=(), command="")
