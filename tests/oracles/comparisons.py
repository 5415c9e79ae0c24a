"""A comparison with tables made by hand: each arm has 0.02 less Dice than the one before."""

import string
from collections.abc import Sequence

import numpy as np
import pandas as pd

from neurotarget.stats.arms.comparison import Comparison
from neurotarget.types import Target

N = 20
ODD = '"]]></script><img src=x onerror=alert(1)>'
LONG = (
    "model=nnunet_resenc,optimizer.lr=0.01",
    "model=unet",
    "model=swin_unetr,optimizer=adamw_transformer,optimizer.lr=0.0001",
    "model=segresnet",
    "model=highresnet",
    "ensemble",
)
HYPOTHESES = (("sex_difference", "F > M", "mm3", 70.0), ("age_slope", "age < 0", "mm3/year", -1.0))


def names_of(count: int) -> list[str]:
    """Short and long names of arms, all different."""
    return [LONG[k] if k < len(LONG) else f"{LONG[k % 5]},seed={k}" for k in range(count)]


def a_comparison(
    arms: Sequence[str] | int = 5,
    seeds: Sequence[int] = (0, 1, 2),
    labels: Sequence[str] = ("anterior", "posterior"),
    folds: Sequence[int] = (0,),
) -> Comparison:
    """Every table that a comparison has; the arm called `ensemble` has no seed and no cost."""
    names = names_of(arms) if isinstance(arms, int) else list(arms)
    rng = np.random.default_rng(0)
    target = Target(
        name="gland",
        contrasts=("t1",),
        labels={name: number for number, name in enumerate(labels, start=1)},
        spacing_mm=(1, 1, 1),
        patch_vox=(8, 8, 8),
        hypotheses={"sex_difference": "volume: F > M"},
    )
    case_dice = {
        name: np.clip(0.92 - 0.02 * place + rng.normal(0, 0.03, N), 0.05, 0.99)
        for place, name in enumerate(names)
    }
    case_dice[names[-1]][3] = 0.0  # failed
    runs = runs_of(names, seeds, folds, case_dice, rng)
    tables = {
        "arms": arms_table(names, labels, case_dice, runs, seeds, folds),
        "differences": differences(names, labels, case_dice),
        "spread": spread(names, case_dice, seeds),
        "variance": pd.DataFrame(
            [("mean", "case", 0.03, 0.7, ""), ("mean", "run", 0.01, 0.1, ""),
             ("mean", "residual", 0.015, 0.2, "")],
            columns=["label", "component", "sd", "share", "reason"],
        ),
        "ranks": ranks(names, labels, case_dice),
        "agreement": agreement(runs, labels),
        "effects": effects(runs),
        "costs": runs,
        "cases": pd.DataFrame(
            {"case_id": [ODD, *(f"p{number:02}" for number in range(1, N))],
             "subject_id": [f"s{number:02}" for number in range(N)], "fold": folds[0], **case_dice}
        ),
    }  # fmt: skip
    sentence = f"{names[0]} has the highest Dice, but cannot be distinguished from {names[-1]}."
    facts = {"commands": "neurotarget -m model=unet,nnunet seed=0,1,2", "commit": "abc123"}
    return Comparison(target, tables, ("1 case has no age.",), facts, sentence)


def runs_of(names, seeds, folds, case_dice, rng) -> pd.DataFrame:
    rows = []
    for place, name in enumerate(names):
        is_net = name != "ensemble"
        for fold in folds:
            for seed in seeds if is_net else (-1,):
                rows.append(
                    {"run": f"{name},fold={fold},seed={seed}", "arm": name, "fold": fold,
                     "seed": seed, "dice": case_dice[name].mean() + rng.normal(0, 0.004),
                     "parameters": 1.2e6 * 3**place if is_net else np.nan,
                     "flops_per_step": 4e9 * 2**place if is_net else np.nan,
                     "steps": 2000 if is_net else np.nan,
                     "step_s": 0.05 * (place + 1) if is_net else np.nan,
                     "train_s": 100.0 * (place + 1) ** 2 if is_net else np.nan,
                     "peak_memory_mib": 900.0 + 300 * place if is_net else np.nan,
                     "predict_s_per_case": 0.4 + 0.1 * place, "energy_wh": np.nan,
                     "batch_size": 2 if is_net else np.nan, "patch_vox": "40×56×40",
                     "optimizer": "adamw", "learning_rate": 1e-4 if is_net else np.nan}
                )  # fmt: skip
    return pd.DataFrame(rows)


def arms_table(names, labels, case_dice, runs, seeds, folds) -> pd.DataFrame:
    costs = ["parameters", "flops_per_step", "steps", "step_s", "train_s", "peak_memory_mib",
             "predict_s_per_case", "energy_wh", "batch_size"]  # fmt: skip
    rows = []
    for place, name in enumerate(names):
        own = runs[runs["arm"] == name]
        mean = case_dice[name].mean()
        row = {"arm": name, "kind": "net" if name != "ensemble" else "ensemble", "dice": mean,
               "dice_low": mean - 0.012, "dice_high": mean + 0.012, "case_sd": 0.03,
               "seed_sd": own["dice"].std() if len(own) > 1 else np.nan,
               "mean_rank": 1.4 + 0.8 * place, "p_best": [0.62, 0.31, 0.07][min(place, 2)],
               "hd95_mm": 1.5 + 0.1 * place, "n_failed": int(place == len(names) - 1),
               "n_scored": N * len(seeds), "n_cases": N, "n_subjects": N, "n_runs": len(own),
               "n_folds": len(folds), "n_seeds": len(seeds)}  # fmt: skip
        for label in labels:
            row |= {f"{label}_dice": mean, f"{label}_icc_a1": 0.93 - 0.02 * place}
        if len(labels) > 1:
            row["total_icc_a1"] = 0.94 - 0.03 * place
        row["verdicts"] = f"sex_difference: shown {max(3 - place, 0)} of 3; age_slope: 0 of 3"
        row |= own[costs].mean().to_dict()
        row |= {"patch_vox": "40×56×40", "optimizer": "adamw", "learning_rate": 1e-4, "reason": ""}
        rows.append(row)
    return pd.DataFrame(rows)


def differences(names, labels, case_dice) -> pd.DataFrame:
    rows = []
    for label in ("mean", *labels):
        for first, arm in enumerate(names):
            for other in names[first + 1 :]:
                by = case_dice[arm] - case_dice[other]
                mean, half = by.mean(), 2 * by.std() / np.sqrt(N)
                result = mean > 1.6 * half
                rows.append(
                    {"arm": arm, "other": other, "label": label, "metric": "dice", "n_cases": N,
                     "n_subjects": N, "mean_difference": mean, "low": mean - half,
                     "high": mean + half, "median_difference": np.median(by),
                     "wins": int((by > 0).sum()), "ties": 0, "losses": int((by < 0).sum()),
                     "wilcoxon_p": 0.0004 if result else 0.2, "holm_p": 0.002 if result else 0.6,
                     "model_difference": mean, "model_low": mean - 1.3 * half,
                     "model_high": mean + 1.3 * half, "model_p": 0.001 if result else 0.4,
                     "model_holm_p": 0.001 if result else 0.9,
                     "told_apart": "yes" if result else "no", "reason": ""}
                )  # fmt: skip
    return pd.DataFrame(rows)


def spread(names, case_dice, seeds) -> pd.DataFrame:
    alone = len(seeds) < 2
    return pd.DataFrame(
        [(name, "mean", case_dice[name].std(ddof=1), np.nan, np.nan if alone else 0.004, N, 1,
          len(seeds), "one seed" if alone else "") for name in names],
        columns=["arm", "label", "case_sd", "fold_sd", "seed_sd", "n_cases", "n_folds", "n_seeds",
                 "reason"],
    )  # fmt: skip


def ranks(names, labels, case_dice) -> pd.DataFrame:
    table = pd.DataFrame(case_dice).rank(axis=1, ascending=False).mean()
    letters = string.ascii_lowercase
    rows = []
    for label in ("mean", *labels):
        for place, name in enumerate(names):
            group = "".join(sorted({letters[max(place - 1, 0) // 2], letters[place // 2]}))
            rows.append({"label": label, "arm": name, "mean_rank": table[name],
                         "friedman_p": 0.0004, "critical_difference": 0.4 * np.sqrt(len(names)),
                         "group": group, "n_cases": N, "reason": ""})  # fmt: skip
    return pd.DataFrame(rows)


def agreement(runs, labels) -> pd.DataFrame:
    rows = []
    for place, name in enumerate(runs["arm"].unique()):
        for seed in runs.loc[runs["arm"] == name, "seed"].unique():
            for label in (*labels, "total") if len(labels) > 1 else labels:
                icc = max(0.95 - 0.04 * place - 0.01 * seed, 0.1)
                rows.append({"arm": name, "seed": seed, "label": label, "icc_a1": icc,
                             "icc_low": icc - 0.1, "icc_high": min(icc + 0.05, 1),
                             "pearson_r": icc, "bias_mm3": -12.0, "bias_low": -20.0,
                             "bias_high": -4.0, "n": N, "reason": ""})  # fmt: skip
    return pd.DataFrame(rows)


def effects(runs) -> pd.DataFrame:
    rows = []
    for name, claim, unit, size in HYPOTHESES:
        wide = abs(size) * 0.5

        def row(arm, seed, estimate, half, what=(name, claim, unit)):
            return {"arm": arm, "seed": seed, "hypothesis": what[0], "claim": what[1],
                    "estimate": estimate, "low": estimate - half, "high": estimate + half,
                    "p": 0.01, "unit": what[2],
                    "verdict": "shown" if abs(estimate) > half else "inconclusive", "n": N,
                    "reason": ""}  # fmt: skip

        rows.append(row("reference", -1, size, wide))
        for place, arm in enumerate(runs["arm"].unique()):
            for seed in runs.loc[runs["arm"] == arm, "seed"].unique():
                rows.append(row(arm, seed, size * (1 - 0.12 * place + 0.05 * seed), wide))
    return pd.DataFrame(rows)
