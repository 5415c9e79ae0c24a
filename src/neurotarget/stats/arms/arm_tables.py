"""Tables of a comparison with one row per arm, run or case."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from neurotarget.problems import join_reasons
from neurotarget.stats.arms.arm_learning import Learnings
from neurotarget.stats.arms.arm_scores import MEAN, Scored, mean_of, size_units_of
from neurotarget.stats.arms.arm_studies import mean_icc, verdict_text
from neurotarget.stats.arms.arms import NET, NO_SEED, Arms, listed
from neurotarget.stats.arms.main_score import DICE_HEADLINE
from neurotarget.stats.arms.paired import order
from neurotarget.stats.cohort.failures import failed_masks
from neurotarget.stats.cohort.learning import DOUBTFUL, NOT_LEARNT
from neurotarget.stats.core.interval import FEWEST
from neurotarget.stats.core.resample import codes, ends, replicates, weighted_mean

MEASURED = (  # keys of cost.json that are numbers
    *("parameters", "flops_per_step", "steps", "step_s", "train_s", "peak_memory_mib"),
    *("predict_s_per_case", "energy_wh"),
)
SETTINGS = ("batch_size", "patch_vox", "optimizer", "learning_rate")
COSTS = (*MEASURED, *SETTINGS)
TEXTS = ("patch_vox", "optimizer")  # costs that are text
FIRST = ("arm", "kind", "learnt")
SUMMARY = (
    *("case_sd", "seed_sd", "mean_rank"),
    *("p_best", "hd95_mm", "n_failed", "n_scored", "n_cases", "n_subjects"),
    *("n_runs", "n_folds", "n_seeds"),
)
SPREAD_COLUMNS = [
    *("arm", "label", "case_sd", "fold_sd", "seed_sd", "n_cases", "n_folds", "n_seeds", "reason")
]
COST_COLUMNS = ("run", "arm", "fold", "seed")

MADE = "made of trained nets; only nets have a rank and a probability of being best"
MADE_SEEDS = "made of several trainings"
ONE_SEED = "one seed: the spread between seeds is not known"
ONE_FOLD = "one fold"


def arms_table(
    scored: Scored,
    tables: Mapping[str, pd.DataFrame],
    learnings: Learnings,
    chances: Mapping[str, float],
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Return one row per arm, the best first and those that have not learnt last.

    `tables` are the other tables of the comparison, `chances` the probabilities of being best.

    The main score is the mean over labels, runs and cases, with the worst value where masks or
    predictions failed (Dice 0). Its interval is over subjects and holds for these trainings only.
    `n_failed` and `n_scored` count masks or predictions, one per case and run. HD95 is undefined
    for a missing or empty mask. Costs are means over runs.
    """
    distance = f"hd95_{size_units_of(scored.arms).length}"
    hd95 = mean_of(distance, scored.arms)
    failed = _failures(scored.arms)
    rows = []
    for arm in sorted(order(scored), key=lambda one: learnings[one].verdict == NOT_LEARNT):
        row = _summary(scored, arm, seed) | {"learnt": learnings[arm].verdict}
        if learnings[arm].verdict in (NOT_LEARNT, DOUBTFUL):
            why = f"{learnings[arm].verdict}: {' '.join(learnings[arm].reasons)}".rstrip(".")
            row["reason"] = join_reasons(row["reason"], why)
        row |= {name: _cell(tables["spread"], arm, name) for name in ("case_sd", "seed_sd")}
        row |= {"mean_rank": _cell(tables["ranks"], arm, "mean_rank")}
        row |= {"p_best": chances.get(arm, math.nan)}
        row |= {"hd95_mm": hd95[arm], "n_failed": failed.get(arm, math.nan)}
        row |= _by_label(scored, tables["agreement"], arm)
        row["reason"] = join_reasons(row["reason"], _lacking_icc(tables["agreement"], arm))
        row |= {"verdicts": verdict_text(tables["effects"], arm)}
        rows.append(row | _costs(scored.arms, arm))
    table = pd.DataFrame(rows)
    metric = scored.arms.headline.metric
    first = (*FIRST, metric, f"{metric}_low", f"{metric}_high", *SUMMARY)
    middle = [name for name in table if name not in (*first, *COSTS, "verdicts", "reason")]
    table = table[[*first, *middle, "verdicts", *COSTS, "reason"]]
    if scored.arms.headline == DICE_HEADLINE:
        return table.rename(columns={"hd95_mm": distance})
    return table.drop(columns="hd95_mm")


def spread_table(scored: Scored) -> pd.DataFrame:
    """Return the SD of each arm's score between cases, between folds and between seeds.

    The SD between cases is that of the cases' scores, averaged over runs. The SD between folds is
    that of the folds' mean scores; folds differ in their cases, too. The SD between seeds is that
    of the mean scores of runs of the same fold, pooled over folds: the effect of repeating the
    training.
    """
    rows = []
    for label in scored.labels:
        for arm in order(scored):
            scores = scored.by_arm[label][arm].dropna()
            runs = scored.arms.runs.loc[scored.runs_of(arm), ["kind", "fold", "seed"]]
            runs = runs.assign(mean=scored.by_run[label][list(runs.index)].mean())
            folds = runs.groupby("fold")["mean"]
            reasons = [ONE_FOLD] if folds.ngroups < 2 else []
            seed_sd = _pooled_sd(folds)
            if math.isnan(seed_sd):
                reasons.append(ONE_SEED if (runs["seed"] != NO_SEED).all() else MADE_SEEDS)
            row = (arm, label, scores.std(), folds.mean().std(), seed_sd, len(scores))
            rows.append((*row, folds.ngroups, runs["seed"].nunique(), "; ".join(reasons)))
    return pd.DataFrame(rows, columns=SPREAD_COLUMNS)


def costs_table(scored: Scored) -> pd.DataFrame:
    """Return one row per run: its mean score, then the columns of `runs` about its cost.

    Costs that were not recorded are NaN. `MEASURED` names the costs that are numbers; times are in
    seconds, memory in MiB, energy in Wh.
    """
    means, metric = scored.by_run[MEAN].mean(), scored.arms.headline.metric
    table = scored.arms.runs.rename_axis("run").reset_index()
    table[metric] = table["run"].map(means)
    if "parts" in table:
        table["parts"] = table["parts"].str.replace("\n", "; ")  # one line per row in the file
    named = [*COST_COLUMNS, metric, *COSTS]
    more = [name for name in table if name not in (*named, "kind")]
    return table.reindex(columns=[*named, *more])


def cases_table(scored: Scored) -> pd.DataFrame:
    """Return one row per case: the folds that hold it out, and its score by each arm.

    Columns of arms go from the best to the worst. `fold` is a number if every case is held out by
    one fold, else a text.
    """
    runs = scored.arms.runs
    nets = [run for run in scored.held_out if runs.at[run, "kind"] == NET]
    nets = nets or list(scored.held_out)
    folds = [
        sorted({int(runs.at[run, "fold"]) for run in nets if is_held[run]})
        for _, is_held in scored.held_out.iterrows()
    ]
    is_single = all(len(one) == 1 for one in folds)
    fold_texts = [one[0] if is_single else ", ".join(map(str, one)) for one in folds]
    table = pd.DataFrame(
        {"subject_id": scored.subjects, "fold": fold_texts}, index=scored.subjects.index
    )
    table = pd.concat([table, scored.by_arm[MEAN][order(scored)]], axis=1)
    return table.rename_axis("case_id").reset_index()


def _summary(scored: Scored, arm: str, seed: int) -> dict:
    scores = scored.by_arm[MEAN][arm].dropna()
    subject, n_subjects = codes(scored.subjects[scores.index])
    low = high = math.nan
    reasons = [] if n_subjects >= FEWEST else ["fewer than 3 subjects"]
    if not reasons:
        weights = replicates(n_subjects, seed)
        low, high = ends(weighted_mean(weights, scores.to_numpy(), subject))
    kind, runs, metric = scored.arms.kinds[arm], scored.runs_of(arm), scored.arms.headline.metric
    known = scored.arms.runs.loc[runs]
    reasons += [MADE] if kind != NET else []
    return {
        **{"arm": arm, "kind": kind},
        **{metric: scores.mean(), f"{metric}_low": low, f"{metric}_high": high},
        "n_scored": int(scored.by_run[MEAN][runs].notna().sum().sum()),
        **{"n_cases": len(scores), "n_subjects": n_subjects, "n_runs": len(runs)},
        **{"n_folds": known["fold"].nunique(), "n_seeds": known["seed"].nunique()},
        "reason": "; ".join(reasons),
    }


def _cell(table: pd.DataFrame, arm: str, column: str) -> float:
    """Value of an arm over all labels; NaN if unknown."""
    rows = table[(table["arm"] == arm) & (table["label"] == MEAN)]
    return float(rows[column].iloc[0]) if len(rows) else math.nan


def _by_label(scored: Scored, agreement: pd.DataFrame, arm: str) -> dict:
    cells, is_of_masks = {}, scored.arms.headline == DICE_HEADLINE
    for label in scored.arms.labels:
        scores = scored.by_arm.get(label, scored.by_arm[MEAN])[arm]
        cells[f"{label}_{scored.arms.headline.metric}"] = scores.mean()
        if is_of_masks or len(agreement):
            cells[f"{label}_icc_a1"] = mean_icc(agreement, arm, label)
    if (is_of_masks or len(agreement)) and len(scored.arms.labels) > 1:
        cells["total_icc_a1"] = mean_icc(agreement, arm, "total")
    return cells


def _lacking_icc(agreement: pd.DataFrame, arm: str) -> str:
    """Return a reason for labels without a mean ICC, as a seed has no ICC."""
    known = agreement[agreement["arm"] == arm].groupby("label", sort=False)["icc_a1"]
    labels = [label for label, icc in known if icc.isna().any() and icc.notna().any()]
    return f"no mean ICC of {listed(labels)}, as a seed has no ICC" if labels else ""


def _costs(arms: Arms, arm: str) -> dict:
    """Mean of every cost over the arm's runs; for text, all values."""
    runs = arms.runs[arms.runs["arm"] == arm].reindex(columns=list(COSTS))
    texts = {name: listed(filter(None, runs[name].dropna().unique())) for name in TEXTS}
    numbers = runs.drop(columns=list(TEXTS)).apply(pd.to_numeric, errors="coerce")
    return numbers.mean().astype(float).to_dict() | texts


def _failures(arms: Arms) -> dict[str, int]:
    """Number of failed masks per arm, over cases and runs; no entry for arms without scores."""
    rows = arms.scores[arms.scores["label"].isin(arms.labels)]
    masks = failed_masks(rows, ("arm", "run", "case_id", "label"))
    failed = masks.groupby(["arm", "run", "case_id"], sort=False).any()
    return failed.groupby("arm", sort=False).sum().astype(int).to_dict()


def _pooled_sd(groups: object) -> float:
    """SD within groups, weighted by degrees of freedom; NaN where all groups have one value."""
    freedom = groups.count() - 1
    if freedom.sum() < 1:
        return math.nan
    squares = (groups.var().fillna(0) * freedom.clip(lower=0)).sum()
    return float(np.sqrt(squares / freedom.clip(lower=0).sum()))
