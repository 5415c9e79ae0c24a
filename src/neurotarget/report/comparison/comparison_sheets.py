"""Titles, headings and definitions for the tables of a comparison."""

from collections.abc import Mapping, Sequence

from neurotarget.report.text.definitions import INTERVAL, KNOWN, VERDICT, Definition
from neurotarget.report.text.headed_tables import VALUES, About
from neurotarget.types import FAILED

WORDS = {**VALUES, "volume_error_abs_mm3": "volume error, mm³"}
MADE = "Seed −1: made from the runs of several seeds."
COST_HEADINGS = {
    "parameters": "Parameters, millions",
    "flops_per_step": "GFLOP per step",
    "steps": "Steps",
    "expected_steps": "Steps expected",
    "val_dice": "Dice in validation",
    "val_all_foreground_dice": "Dice of a mask of all voxels",
    "time_limit": "Bound by time",
    "step_s": "Step, s",
    "train_s": "Training, min",
    "peak_memory_mib": "Peak memory, GiB",
    "peak_memory_of": "Memory of",
    "predict_s_per_case": "Prediction, s per case",
    "energy_wh": "Energy, Wh",
    "batch_size": "Batch",
    "patch_vox": "Patch, voxels",
    "optimizer": "Optimiser",
    "learning_rate": "Learning rate",
}
COST_SCALES = {"parameters": 1e6, "flops_per_step": 1e9, "train_s": 60, "peak_memory_mib": 1024}
COST_KINDS = {
    "steps": "count",
    "expected_steps": "count",
    "batch_size": "number",
    "learning_rate": "setting",
}
ARM_HEADINGS = {
    "learnt": "Learnt",
    "dice": "Dice",
    "case_sd": "SD of cases",
    "fold_sd": "SD of folds",
    "seed_sd": "SD of seeds",
    "mean_rank": "Mean rank",
    "p_best": "Probability of being best",
    "n_failed": "Failed",
    "n_scored": "Scored",
    "n_cases": "Cases",
    "n_subjects": "Subjects",
    "n_runs": "Runs",
    "n_folds": "Folds",
    "n_seeds": "Seeds",
    "total_icc_a1": "ICC(A,1), total",
    "verdicts": "Verdicts over seeds",
}
DIFFERENCE_HEADINGS = {
    "other": "Compared with",
    "mean_difference": "Mean difference",
    "median_difference": "Median difference",
    "wilcoxon_p": "p (Wilcoxon)",
    "holm_p": "p (Holm)",
    "model_difference": "Difference in mixed model",
    "model_p": "p (mixed model)",
    "model_holm_p": "p (mixed model, Holm)",
    "told_apart": "Told apart",
}
TABLES = {  # all but the table of arms, whose columns contain names of labels
    "differences": About(
        "Differences between arms",
        "The arm minus the one it is compared with, on the same cases: Dice by label, and over "
        "the labels the absolute volume error and a boundary score (of errors and distances less "
        "is better). Told apart: both p values are below 0.05 after Holm's correction, and both "
        "tests point to the same arm; one training of an arm does not allow that test.",
        value="mean_difference",
        headings=DIFFERENCE_HEADINGS,
        kinds=dict.fromkeys(("wilcoxon_p", "holm_p", "model_p", "model_holm_p"), "p"),
    ),
    "ranks": About(
        "Ranks",
        "Mean rank of a net over cases; nets that share a letter are not told apart.",
        is_printed=True,
        value="mean_rank",
        headings={
            "friedman_p": "p (Friedman)",
            "group": "Groups",
            "critical_difference": "Critical difference",
        },
        kinds={"friedman_p": "p"},
    ),
    "spread": About(
        "Spread",
        "How much Dice varies between cases, between folds (which differ in their cases as well "
        "as in training) and between seeds of one fold (standard deviations).",
        is_printed=True,
        value="seed_sd",
        headings=ARM_HEADINGS,
    ),
    "variance": About(
        "Sources of variance",
        "What the mixed model of all arms ascribes to the case, to the run, and to chance.",
        is_printed=True,
        value="sd",
        kinds={"share": "share"},
    ),
    "agreement": About(
        "Agreement of volumes",
        f"Volumes of each arm and seed against the reference's. {MADE}",
        value="icc_a1",
        headings={"icc_a1": "ICC(A,1)", "pearson_r": "Pearson r", "bias_mm3": "Bias, mm³"},
    ),
    "parts": About(
        "Internal and external",
        "Scores and agreement of each arm on cases of sites that were trained on (internal) and "
        f"of others (external), beside published values, which are of other data. {MADE}",
        value="value",
    ),
    "effects": About(
        "Effects",
        f"Each hypothesis by the reference masks and by those of each arm and seed. {MADE}",
        is_printed=True,
        value="estimate",
    ),
    "costs": About(
        "Runs and their costs",
        f"A row a run. {MADE}",
        value="dice",
        headings={"dice": "Dice"} | COST_HEADINGS,
        kinds=COST_KINDS,
        scales=COST_SCALES,
    ),
    "cases": About(
        "Cases",
        "Dice of each case by each arm, the mean over labels and seeds.",
        headings={"case_id": "Case", "subject_id": "Subject", "fold": "Fold"},
        own_names=True,
    ),
}


def tables_about(labels: Sequence[str]) -> dict[str, About]:
    """Return the description of each table, in reading order; `labels` are the target's."""
    by_label = {f"{label}_dice": f"Dice, {label}" for label in labels}
    by_label |= {f"{label}_icc_a1": f"ICC(A,1), {label}" for label in labels}
    arms = About(
        "Arms",
        "A row an arm, best first. Dice is the mean over labels, seeds and then cases; costs are "
        "means over runs.",
        value="dice",
        headings=by_label | ARM_HEADINGS | COST_HEADINGS,
        kinds={"p_best": "share", **dict.fromkeys(by_label, "number"), **COST_KINDS},
        scales=COST_SCALES,
    )
    return {"arms": arms, **TABLES}


_STUDY: Mapping[str, Definition] = {one.name: one for one in KNOWN}
_AGREED = ("agreement", "icc_a1", "")
DEFINITIONS = (
    _STUDY["Dice"]._replace(needs=("arms", "dice", "")),
    Definition(
        "Failed mask", f"{FAILED[:1].upper()}{FAILED[1:]}.", "", "", ("arms", "n_failed", "")
    ),
    _STUDY["Learnt"]._replace(needs=("arms", "learnt", "")),
    INTERVAL,
    Definition(
        "Arm",
        "One way to make masks that is compared: an architecture with its settings, an ensemble of "
        "trained nets (their mean probabilities), or a soup (one net of their mean weights).",
        "",
        "",
        ("arms", "", ""),
    ),
    Definition(
        "Probability of being best",
        "How often the net would have the highest mean Dice, were other cases and trainings "
        "drawn (by the mixed model, means drawn towards each other by what chance alone explains). "
        "It asks for two seeds or three folds.",
        "Efron and Morris 1975",
        "10.1080/01621459.1975.10479864",
        ("arms", "p_best", ""),
    ),
    Definition(
        "Seed SD",
        "How much the mean Dice on a fold varies between runs that differ in nothing but the "
        "random seed (standard deviation, pooled over folds). A difference between arms that is "
        "not larger may be chance.",
        "Bouthillier 2021",
        "10.48550/arXiv.2103.03098",
        ("arms", "seed_sd", ""),
    ),
    Definition(
        "Wilcoxon's signed-rank test",
        "Whether one arm is better on more subjects, and by more, than the other; it asks for no "
        "normal distribution.",
        "Wilcoxon 1945",
        "10.2307/3001968",
        ("differences", "wilcoxon_p", ""),
    ),
    Definition(
        "Holm's correction",
        "Makes p values larger because many pairs are compared: the chance that any of all the "
        "differences below 0.05 is a false one stays below 5 %.",
        "Holm 1979, Scandinavian Journal of Statistics 6:65",
        "",
        ("differences", "holm_p", ""),
    ),
    Definition(
        "Mixed model",
        "A regression of the Dice of every run on every case, with arms as fixed effects, cases "
        "and runs as random ones: it knows that all cases of a run share one training. Degrees of "
        "freedom are Satterthwaite's. Where folds alone tell of trainings its variance is raised, "
        "as they share training data (Nadeau and Bengio 2003, doi:10.1023/A:1024068626366).",
        "Kuznetsova 2017",
        "10.18637/jss.v082.i13",
        ("differences", "model_difference", ""),
    ),
    Definition(
        "Rank and critical difference",
        "Friedman's test asks whether the ranks of the nets on the cases differ at all; by "
        "Nemenyi's, two differ if their mean ranks are further apart than the critical difference. "
        "Groups (letters) come from the tests of each pair.",
        "Demšar 2006, Journal of Machine Learning Research 7:1",
        "",
        ("ranks", "", ""),
    ),
    _STUDY["HD95"]._replace(needs=("arms", "hd95_mm", "")),
    _STUDY["ICC(A,1)"]._replace(needs=_AGREED),
    Definition(
        "Bias",
        "Mean of predicted minus reference volume: above 0 the arm draws too large.",
        "Bland and Altman 1986",
        "10.1016/S0140-6736(86)90837-8",
        ("agreement", "bias_mm3", ""),
    ),
    VERDICT,
    Definition(
        "Cost",
        "Seconds of a step are those of training over its steps, without validation; GFLOP counts "
        "the forward and backward pass of one batch; memory is the highest that was held at any "
        "time.",
        "",
        "",
        ("costs", "", ""),
    ),
)
