"""Every statistic of a report in plain words, with where it comes from."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from neurotarget.stats.failures import DEFINITIONS as FAILURES


class Definition(NamedTuple):
    """A statistic and its source; `needs` are (table, column, value) that must be there.

    An empty column means any row of the table, an empty value any value in the column.
    """

    name: str
    words: str
    source: str
    doi: str
    needs: tuple[str, str, str]


INTERVAL = Definition(
    "95 % interval",
    "The range of values that the data are compatible with. It comes from a formula, or from "
    "drawing the people of the cohort again and again (bootstrap); several scans of one person "
    "are always drawn together.",
    "Efron and Tibshirani 1993",
    "10.1201/9780429246593",
    ("", "", ""),
)
VERDICT = Definition(
    "Verdict",
    "Replicated: the 95 % interval excludes 0 on the expected side. Not replicated: it excludes "
    "the expected effect (the published one, or the one planted in a generated cohort), lies on "
    "the other side, or the data had 80 % power to find the expected effect and did not. Not "
    "enough data: the interval includes both 0 and the expected effect, and the power was lower. "
    "No conclusion: more than a fifth of the masks failed, or the network has not learnt. "
    "Without an expected effect the smallest that would have been found stands beside the verdict.",
    "Hoenig and Heisey 2001",
    "10.1198/000313001300339897",
    ("effects", "", ""),
)
POWER = Definition(
    "Power",
    "The chance that a cohort of this size and noise finds the expected effect (two-sided, 5 %). "
    "80 % is usually wanted.",
    "Cohen 1988",
    "10.4324/9780203771587",
    ("effects", "power", ""),
)
KNOWN = (
    INTERVAL,
    VERDICT,
    POWER,
    Definition(
        "Sample size",
        "People needed to find an effect with 80 % power, by perfect volumes and by this "
        "method’s; the inflation is what its noise costs.",
        "Cohen 1988",
        "10.4324/9780203771587",
        ("power", "", ""),
    ),
    Definition(
        "Group difference",
        "Mean of the first group minus mean of the second; without other terms Welch’s test, "
        "which allows unequal spread.",
        "Welch 1947",
        "10.1093/biomet/34.1-2.28",
        ("effects", "size_kind", "Hedges g"),
    ),
    Definition(
        "Hedges’ g",
        "A group difference in standard deviations within the groups, corrected for small samples; "
        "with other terms the difference at equal terms, in the same standard deviations. 0.2 is "
        "small, 0.5 medium, 0.8 large.",
        "Hedges 1981",
        "10.3102/10769986006002107",
        ("effects", "size_kind", "Hedges g"),
    ),
    Definition(
        "Partial r",
        "Correlation of what was measured with the covariate when the other terms are held equal, "
        "from −1 to 1.",
        "Fisher 1924, Metron 3:329",
        "",
        ("effects", "size_kind", "partial r"),
    ),
    Definition(
        "Adjustment for head size (TIV)",
        "ANCOVA puts the total intracranial volume into the model; the residual method subtracts "
        "what TIV predicts; the proportion divides by it. They answer different questions, so all "
        "three are shown.",
        "Voevodskaya 2014",
        "10.3389/fnagi.2014.00264",
        ("effects", "model", "tiv_ancova"),
    ),
    Definition(
        "Learnt",
        "A network has not learnt where its mean Dice has gone less than a tenth of the way from "
        "the better of an empty mask and one of all voxels to a perfect one, or more than half of "
        "its masks failed; it is doubtful below a quarter of the way, or above a fifth of failed "
        "masks. From volumes of masks of which more than a fifth failed no conclusion is drawn.",
        "Cohen 1960",
        "10.1177/001316446002000104",
        ("failures", "method", "predicted"),
    ),
    Definition(
        "Dice",
        "Twice the shared voxels over all voxels of two masks: 0 is no overlap, 1 is identity. A "
        "mask that is missing, or empty where the reference is not, counts as 0.",
        "Dice 1945",
        "10.2307/1932409",
        ("scores", "metric", "dice"),
    ),
    Definition(
        "Internal and external",
        "Internal cases are held-out people of sites (or scanners) that the network was trained "
        "on; external ones are of sites of which it saw nobody. Published values are of other "
        "scans, raters and networks.",
        "Steyerberg and Harrell 2016",
        "10.1016/j.jclinepi.2015.04.005",
        ("parts", "", ""),
    ),
    Definition(
        "p of Pearson’s r",
        "The chance of a correlation at least as strong where there is none, by Student’s t; "
        "several scans of one person count as one.",
        "Student 1908",
        "10.1093/biomet/6.2-3.302",
        ("parts", "p", ""),
    ),
    Definition(
        "HD95",
        "The distance in mm that 95 % of the surface points of one mask stay within of the other. "
        "Smaller is better.",
        "Huttenlocher 1993",
        "10.1109/34.232073",
        ("scores", "metric", "hd95_mm"),
    ),
    Definition(
        "ASSD",
        "The mean distance in mm between the surfaces of two masks, both ways. Smaller is better.",
        "Heimann 2009",
        "10.1109/TMI.2009.2013851",
        ("scores", "metric", "assd_mm"),
    ),
    Definition(
        "Surface Dice",
        "The share of both surfaces that lies within a tolerance of the other.",
        "Nikolov 2021",
        "10.2196/26151",
        ("scores", "metric", "surface_dice"),
    ),
    Definition(
        "ICC(A,1)",
        "Agreement of single values of two methods, from 0 to 1; a constant bias lowers it. By its "
        "interval: below 0.5 poor, to 0.75 moderate, to 0.9 good, above excellent.",
        "McGraw and Wong 1996; Koo and Li 2016, doi:10.1016/j.jcm.2016.02.012",
        "10.1037/1082-989X.1.1.30",
        ("agreement", "statistic", "icc_a1"),
    ),
    Definition(
        "ICC(C,1)",
        "As ICC(A,1), but a constant bias does not count. Much higher than ICC(A,1) means bias.",
        "McGraw and Wong 1996",
        "10.1037/1082-989X.1.1.30",
        ("agreement", "statistic", "icc_c1"),
    ),
    Definition(
        "CCC",
        "Concordance: how near the points lie to the line of identity, from −1 to 1.",
        "Lin 1989",
        "10.2307/2532051",
        ("agreement", "statistic", "ccc"),
    ),
    Definition(
        "Bias and limits of agreement",
        "The mean difference of two methods (second minus first), and the range that holds 95 % of "
        "single differences. The proportional slope says whether the difference grows with size.",
        "Bland and Altman 1986",
        "10.1016/S0140-6736(86)90837-8",
        ("agreement", "statistic", "bias"),
    ),
    Definition(
        "Network beside raters",
        "How the network agrees with one person, minus how another person agrees with the same, "
        "over the cases that all three have. Above 0 the network is closer. The interval is a "
        "bootstrap over people (BCa).",
        "Efron 1987",
        "10.1080/01621459.1987.10478410",
        ("rater_differences", "", ""),
    ),
    Definition(
        "Rate of failures",
        "Failed cases over those that could be judged, with Wilson’s interval.",
        "Wilson 1927",
        "10.1080/01621459.1927.10502953",
        ("failures", "", ""),
    ),
    Definition(
        "AUC",
        "The chance that of two people, one of each group, the one who is claimed to have the "
        "larger volume has it: 0.5 is guessing, 1 perfect, below 0.5 the opposite of the claim. "
        "“AUC of” says who that is; where nothing is claimed, the medians of the first method do.",
        "DeLong 1988",
        "10.2307/2531595",
        ("biomarkers", "auc", ""),
    ),
    Definition(
        "q",
        "A p value corrected for looking at several labels: the share of false findings to expect "
        "among all that are as small (false discovery rate).",
        "Benjamini and Hochberg 1995",
        "10.1111/j.2517-6161.1995.tb02031.x",
        ("biomarkers", "q", ""),
    ),
    Definition(
        "ComBat",
        "Harmonisation of sites: shifts and scales each site’s volumes to a common one, fitted on "
        "other people than those it is judged on.",
        "Johnson 2007; Fortin 2018, doi:10.1016/j.neuroimage.2017.11.024",
        "10.1093/biostatistics/kxj037",
        ("harmonisation", "", ""),
    ),
)


def definitions(
    tables: Mapping[str, pd.DataFrame], known: Sequence[Definition] = KNOWN
) -> list[Definition]:
    """Those of `known` that the tables hold, and the failures that they count."""
    found = [one for one in known if _is_there(tables, *one.needs)]
    return found + [
        Definition(_heading(one.name), one.description, "", "", ("failures", "", ""))
        for one in FAILURES
        if _is_there(tables, "failures", "definition", one.name)
    ]


def _heading(name: str) -> str:
    words = name.replace("_", " ")
    return f"Failure: {words.replace('dice', 'Dice')}"


def _is_there(tables: Mapping[str, pd.DataFrame], name: str, column: str, value: str) -> bool:
    if not name:
        return bool(tables)
    table = tables.get(name)
    if table is not None and "n" in table:
        table = table[table["n"] > 0]
    if table is None or not len(table) or (column and column not in table):
        return False
    if not column:
        return True
    return bool((table[column] == value).any()) if value else bool(table[column].notna().any())
