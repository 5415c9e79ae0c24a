"""Agreement of further raters of the same scans with each other and with the network.

The network's agreement with a person is compared with another person's agreement with the same
person, on the same cases. An interval of the difference that includes 0 does not prove equality, so
its ends are reported.
"""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from jaxtyping import Float, Integer
from numpy import ndarray

from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.core.interval import FEWEST, mean_interval
from neurotarget.stats.core.resample import codes, left_out, pair_means, pair_statistics
from neurotarget.stats.core.studentised import jackknife_t
from neurotarget.stats.tables.tables import pair_rows, statistic_columns

COLUMNS = [
    *("first", "second", "label", "n", "n_subjects", "n_missing"),
    *("dice", "dice_low", "dice_high", "icc_a1", "icc_low", "icc_high", "icc_c1", "pearson_r"),
    *("bias", "bias_low", "bias_high", "n_volumes", "reason"),
]
DIFFERENCE_COLUMNS = [
    *("label", "measure", "network", "against", "rater", "of_network", "of_rater"),
    *("difference", "low", "high", "n", "n_subjects", "n_missing", "finding", "reason"),
]
CLOSER, LESS, OPEN = "closer than the rater", "less close than the rater", "no difference is shown"
STATISTICS = {  # statistic in the study's table → column here
    "icc_a1": ("icc_a1", "icc_low", "icc_high"),
    "icc_c1": ("icc_c1",),
    "pearson_r": ("pearson_r",),
    "bias": ("bias", "bias_low", "bias_high"),
}
MEASURES = ("dice", "icc_a1")


def raters_table(measured: Measured, agreement: pd.DataFrame) -> pd.DataFrame:
    """Return mean Dice, ICCs, Pearson's r and bias of each pair of network, reference and raters.

    One row per pair and label or region. `n` counts the cases with a Dice of the pair; a failed
    prediction has Dice 0. `n_missing` counts the cases without: a mask is missing, or neither mask
    has the label. The Dice of a region is the mean over its labels. Statistics of the main
    quantity, over `n_volumes` cases, are those of `agreement`, the study's table; the bias is
    second − first, and its column's name ends in its unit. Intervals of Dice are Student's t over
    people. Without further raters there are no rows.
    """
    rows = []
    for first, second in measured.pairs if measured.raters else ():
        statistics = pair_rows(agreement, first, second)
        scores = _dice(measured, first, second)
        for label in measured.labels:
            names = {"first": first, "second": second, "label": label}
            values = _volumes(statistics[statistics["label"] == label])
            rows.append(names | values | _mean_dice(measured, scores[label]))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.rename(columns={"bias": measured.main.column("bias")})


def rater_differences_table(measured: Measured) -> pd.DataFrame:
    """Return the network's agreement with a person minus another rater's with the same person.

    One row is for mean Dice and one for ICC(A,1) of sizes, over the cases with masks of all three.
    `finding` states whether the interval lies above 0, below 0 or includes 0. Intervals are
    Student's t over people (for ICC by the jackknife), not corrected for the number of rows.
    Without a network there are no rows.
    """
    rows = []
    for network, against, rater in _triples(measured):
        scores = [_dice(measured, against, other) for other in (network, rater)]
        for label in measured.labels:
            names = {"label": label, "network": network, "against": against, "rater": rater}
            values = [measured.values[name][label] for name in (against, network, rater)]
            columns = {"dice": [one[label] for one in scores], "icc_a1": values}
            rows += [
                names | {"measure": measure} | _difference(measured, columns[measure], measure)
                for measure in MEASURES
            ]
    return pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS)


def _triples(measured: Measured) -> Iterator[tuple[str, str, str]]:
    """Yield the network, a person and another person, where all three exist."""
    network, first = measured.network, measured.reference
    people = [*([first] if first else []), *measured.raters] if measured.raters else []
    for against in people if network else ():
        yield from ((network, against, rater) for rater in people if rater != against)


def _dice(measured: Measured, first: str, second: str) -> pd.DataFrame:
    """Dice of two masks: rows are cases, columns labels or regions; NaN where there is none."""
    scores, pair = measured.scores, {first, second}
    raters = [name for name in measured.raters if name in pair]
    metric = "dice" if measured.network in pair else "rater_dice"
    metrics = {"@".join((metric, *names)) for names in (raters, raters[::-1])}
    rows = scores[scores["metric"].isin(metrics)]
    wide = rows.pivot(index="case_id", columns="label", values="value").astype(float)
    wide = wide.reindex(index=measured.covariates.index, columns=list(measured.target.label_names))
    means = {
        name: wide[list(parts)].mean(axis=1) for name, parts in measured.target.all_regions.items()
    }
    return wide.assign(**means)


def _volumes(statistics: pd.DataFrame) -> dict:
    """Statistics of one label's volumes as columns of the table."""
    n_volumes = int(statistics["n"].iloc[-1]) if len(statistics) else 0
    return {"n_volumes": n_volumes} | statistic_columns(statistics, STATISTICS)


def _mean_dice(measured: Measured, scores: pd.Series) -> dict:
    values, subjects = _known(measured, scores.to_frame())
    n, (subject, n_subjects) = len(values), codes(subjects)
    row = {"n": n, "n_subjects": n_subjects, "n_missing": len(scores) - n}
    row |= {"dice": math.nan, "dice_low": math.nan, "dice_high": math.nan}
    reason = _too_few(n, n_subjects)
    if n:
        row["dice"] = float(values[:, 0].mean())
    if not reason:
        low, high = mean_interval(values[:, 0], subject, n_subjects)
        row["dice_low"], row["dice_high"] = max(low, 0.0), min(high, 1.0)
    return row | {"reason": reason}


def _difference(measured: Measured, columns: list[pd.Series], measure: str) -> dict:
    table = pd.concat(columns, axis=1)
    values, subjects = _known(measured, table)
    n, (subject, n_subjects) = len(values), codes(subjects)
    row = dict.fromkeys(("of_network", "of_rater", "difference", "low", "high"), math.nan)
    row |= {"n": n, "n_subjects": n_subjects, "n_missing": len(table) - n, "finding": ""}
    if reason := _too_few(n, n_subjects):
        return row | {"reason": reason}
    if measure == "dice":
        network, rater = values.mean(axis=0).tolist()
        low, high = mean_interval(values[:, 0] - values[:, 1], subject, n_subjects)
    else:
        network, rater, low, high = _iccs(values, subject, n_subjects)
    row |= {"of_network": network, "of_rater": rater}
    if math.isnan(difference := network - rater):
        return row | {"reason": f"the {measured.main.plural} do not vary"}
    if math.isnan(low):
        return row | {"difference": difference, "reason": "too little spread for an interval"}
    finding = CLOSER if low > 0 else LESS if high < 0 else OPEN
    return row | {
        "difference": difference,
        "low": low,
        "high": high,
        "finding": finding,
        "reason": "",
    }


def _iccs(
    values: Float[ndarray, "N 3"], subject: Integer[ndarray, " N"], n_subjects: int
) -> tuple[float, float, float, float]:
    """ICC(A,1) of network and of rater with the person, and the interval of their difference."""
    weights = np.concatenate([np.ones((1, n_subjects)), left_out(n_subjects)])
    against, *others = values.T
    network, rater = (
        pair_statistics(pair_means(weights, against, other, subject))["icc_a1"] for other in others
    )
    return float(network[0]), float(rater[0]), *jackknife_t(network - rater)


def _known(measured: Measured, table: pd.DataFrame) -> tuple[Float[ndarray, "N K"], ndarray]:
    """Rows without missing values, and the subject of each."""
    values = table.to_numpy(dtype=float)
    whole = np.isfinite(values).all(axis=1)
    return values[whole], measured.subjects.to_numpy()[whole]


def _too_few(n: int, n_subjects: int) -> str:
    if not n:
        return "no case with masks of all of them"
    if min(n, n_subjects) < FEWEST:
        return f"fewer than {FEWEST} subjects"
    return ""
