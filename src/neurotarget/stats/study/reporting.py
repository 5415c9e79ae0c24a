"""Tables that reviewers ask for: Table 1, case flow, model checks, change within people."""

import math
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from neurotarget.stats.cohort.flow import flow_table
from neurotarget.stats.cohort.people import people_table
from neurotarget.stats.effects.longitudinal import longitudinal_table
from neurotarget.stats.effects.testing import tests_table
from neurotarget.stats.study.assumptions import assumptions_table
from neurotarget.stats.study.results import Study

MARGIN = 0.05  # margin of Dice, where the target states none
BETTER, NOT_INFERIOR, INFERIOR, OPEN = "better", "not inferior", "inferior", "undecided"


def with_reporting(
    study: Study, *, n_listed: int = 0, n_excluded: int = 0, people: pd.DataFrame | None = None
) -> Study:
    """Return the study with Table 1, the flow of cases, model checks and change within people.

    `n_listed` is the number of cases in the manifest, `n_excluded` the number that a list excludes.
    `people` are those of the network's splits, as for `people_table`. Tables without rows are left
    out.
    """
    measured, tables = study.measured, dict(study.tables)
    agreement = tables.get("agreement")
    differences = tables.get("rater_differences")
    further = {
        "people": people_table(measured, people),
        "flow": flow_table(measured, tables["effects"], n_listed=n_listed, n_excluded=n_excluded),
        "tests": tests_table(measured, tables["effects"]),
    }
    if agreement is not None:  # probabilities have no agreement
        further |= {
            "assumptions": assumptions_table(measured, agreement),
            "longitudinal": longitudinal_table(measured),
        }
    if differences is not None:
        further["noninferiority"] = noninferiority_table(differences, measured.target.acceptable)
    return replace(
        study, tables={**tables, **{name: one for name, one in further.items() if len(one)}}
    )


def noninferiority_table(
    differences: pd.DataFrame, acceptable: Mapping[str, float]
) -> pd.DataFrame:
    """Test whether the network's Dice with a rater is not inferior to that of a second rater.

    `differences` is the table `rater_differences` of a study. The network is not inferior if the
    interval of the difference lies above −margin, better if above 0, inferior if below −margin.
    The margin is the target's acceptable `dice_margin`, else 0.05.

    Source: Walker and Nowacki 2011, doi:10.1007/s11606-010-1513-8.
    """
    margin = acceptable.get("dice_margin", MARGIN)
    own = differences[differences["measure"] == "dice"]
    named = ["label", "network", "against", "rater", "difference", "low", "high", "n"]
    table = own[named].assign(margin=margin)
    table["margin_from"] = "set before" if "dice_margin" in acceptable else "the default"
    table["verdict"] = [_judged(row.low, row.high, margin) for row in table.itertuples(index=False)]
    return table.reset_index(drop=True)


def _judged(low: float, high: float, margin: float) -> str:
    if not (math.isfinite(low) and math.isfinite(high)):
        return OPEN
    if low > 0:
        return BETTER
    if low > -margin:
        return NOT_INFERIOR
    return INFERIOR if high < -margin else OPEN
