"""Agreement of people's masks: intra-rater and inter-rater error.

These errors bound what can be shown about a network. No data can show that a network agrees better
with a rater than the rater with themselves (intra-rater error), or better with several raters than
the raters with each other (inter-rater error).
"""

import math
import re
from dataclasses import replace

import pandas as pd

from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.cohort.subjects import written
from neurotarget.stats.tables.tables import pair_rows
from neurotarget.types import Row

INTRA, INTER = "intra-rater", "inter-rater"
AGAIN = re.compile(r"[_.-]?(?:again|repeat|session|ses|time)[_.-]?\d*$", re.IGNORECASE)
MASK_NUMBER = r"_mask\d+$"  # suffix of the names of several masks of one scan
REFERENCE = "reference"  # name in rows of the masks that count as truth
COLUMNS = [
    *("error", "first", "second", "label", "n", "error_sd", "error_low", "error_high"),
    *("error_percent", "bias", "bias_low", "bias_high", "icc_a1", "icc_low", "icc_high"),
    *("dice", "dice_low", "dice_high", "interval", "reason"),
]
TAKEN = ("label", "bias_low", "bias_high", "icc_a1", "icc_low", "icc_high")
DICES = ("dice", "dice_low", "dice_high", "reason")


def ceiling_table(
    measured: Measured, agreement: pd.DataFrame, raters: pd.DataFrame
) -> pd.DataFrame:
    """Return intra- and inter-rater error of each pair of sets of people's masks, by label.

    `error_<unit>` is the SD of a single mask's value: the SD of the differences divided by √2, with
    the interval of `agreement`. `error_percent` is relative to the mean value. A systematic shift
    is not part of the error; the column of bias shows it. ICC, bias and Dice are those of `raters`.

    Source: Bland and Altman 1996, doi:10.1136/bmj.313.7059.744.
    """
    people, network = people_of(measured), measured.network
    rows = []
    for row in raters.to_dict("records"):
        first, second = row["first"], row["second"]
        if network in (first, second):
            continue
        kind = INTRA if people[first] == people[second] else INTER
        rows.append(
            {"error": kind, "first": first, "second": second}
            | {name: row[name] for name in (*TAKEN, *DICES)}
            | {"bias": row[measured.main.column("bias")]}
            | _error(measured, agreement, first, second, row["label"])
        )
    table = pd.DataFrame(rows, columns=COLUMNS)
    table = table.sort_values("error", ascending=False, kind="stable").reset_index(drop=True)
    names = {"error_sd": measured.main.column("error"), "bias": measured.main.column("bias")}
    return table.rename(columns=names)


def repeated_masks(measured: Measured) -> Measured | None:
    """Return several masks per scan (`<case_id>_mask1`, …) as methods named by covariate `rater`.

    The second mask of a scan by one rater is called `<rater>_again`, the third `<rater>_again2`.
    None where no scan has two masks whose raters are known.
    """
    raters = measured.covariates.get("rater", pd.Series(dtype=object)).dropna().map(written)
    scans = raters.index.to_series().astype(str).str.replace(MASK_NUMBER, "", regex=True)
    if measured.reference is None or not scans.duplicated().any():
        return None
    order = raters.groupby([scans, raters]).cumcount()
    ends = order.map(lambda number: "_again" * (number > 0) + str(number) * (number > 1))
    names = raters + ends
    own, subjects = measured.values[measured.reference], measured.subjects
    values = {
        name: own.loc[cases].set_axis(scans[cases]).reindex(scans.unique())
        for name in sorted(names.unique())
        for cases in [names.index[names == name]]
    }
    people = subjects[scans.index].groupby(scans, sort=False).first().reindex(scans.unique())
    return replace(
        measured.only(measured.main.name).with_values(values),
        covariates=people.to_frame("subject_id"),
        scores=pd.DataFrame(columns=list(Row._fields)),
        reference=None,
        raters=tuple(values),
    )


def people_of(measured: Measured) -> dict[str, str]:
    """Return the rater of each set of masks: `rater1_again` and `rater1` are the same person.

    The reference masks belong to the single rater in a covariate `rater`. Without this covariate
    they belong to the only rater who has repeated masks but no column of first masks. Otherwise
    their rater is unknown, and the reference counts as another person.
    """
    people = {name: AGAIN.sub("", name) for name in measured.raters}
    first = measured.reference
    if first is None:
        return people
    orphans = {one for name, one in people.items() if one != name and one not in measured.raters}
    named = set(measured.covariates.get("rater", pd.Series(dtype=object)).dropna())
    own = named or orphans - {first}
    return people | {first: str(own.pop()) if first == REFERENCE and len(own) == 1 else first}


def _error(
    measured: Measured, agreement: pd.DataFrame, first: str, second: str, label: str
) -> dict[str, object]:
    own = pair_rows(agreement, first, second, label)
    own = own[own["statistic"] == "sd_difference"]
    row = {"n": 0, "error_sd": math.nan, "error_percent": math.nan, "interval": "none"}
    if not len(own):
        return row
    statistic = own.iloc[0]
    both = pd.concat([measured.values[name][label] for name in (first, second)], axis=1).dropna()
    error, mean = statistic["value"] / math.sqrt(2), float(both.to_numpy().mean())
    ends = {f"error_{end}": statistic[end] / math.sqrt(2) for end in ("low", "high")}
    percent = 100 * error / mean if mean > 0 else math.nan
    row |= {"n": int(statistic["n"]), "error_sd": error, "error_percent": percent}
    return row | ends | {"interval": statistic["interval"]}
