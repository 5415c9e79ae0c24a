"""Plain-language definition and source of every statistic in a report."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from neurotarget.stats.cohort.failures import DEFINITIONS as FAILURES


class Definition(NamedTuple):
    """A statistic and its source; it is shown if the report has `needs` (table, column, value).

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
    "leaving people out (jackknife) or drawing them again and again (bootstrap); several scans of "
    "one person count as one. Parts of a cohort with fewer than 10 people have none.",
    "Efron and Tibshirani 1993",
    "10.1201/9780429246593",
    ("", "", ""),
)
KIND = Definition(
    "Kind of interval",
    "t: Student’s, for means and the bias, with people − 1 degrees of freedom. With one scan per "
    "person and values that look normal (Shapiro and Wilk’s p of both methods and of the "
    "differences at least 0.2): Carkeet’s exact interval for limits of agreement, chi-square for "
    "the SD, Fisher’s for r, McGraw and Wong’s for ICC. Otherwise bootstrap-t for SD and limits, "
    "jackknife-t for r and ICC(C,1), and McGraw and Wong’s with the effective number of people for "
    "ICC(A,1). CCC and slopes: jackknife-t; Spearman’s rho: BCa. In simulated cohorts of 8 to 40 "
    "people the intervals contain the truth in 91 to 97 % of normal cohorts, 89 to 97 % with "
    "several scans per person, and 90 to 97 % of skewed ones, except for SD and limits of "
    "agreement (85 to 96 %) and rho of 8 people (83 %). If the bias of two methods is larger than "
    "their random error, that of ICC(A,1) contains it less often (73 % for 40 people). If failures "
    "are rare and a small cohort has none, its mean Dice is too high, and its interval too short.",
    "Carkeet 2015; McGraw and Wong 1996, doi:10.1037/1082-989X.1.1.30; Linnet 1993, "
    "doi:10.1093/clinchem/39.3.424; Efron 1987, doi:10.1080/01621459.1987.10478410",
    "10.1097/OPX.0000000000000513",
    ("agreement", "interval", ""),
)
VERDICT = Definition(
    "Verdict",
    "Shown: the 95 % interval excludes 0 on the expected side; smaller than published, where it "
    "also excludes the published size. Opposite: it excludes 0 on the other side. Absent: it "
    "includes 0, and the 90 % interval lies within the smallest effect of interest on both sides "
    "(two one-sided tests at 5 %). Inconclusive: the data support neither presence nor absence of "
    "the effect, or are of fewer than 10 people (5 per group). No conclusion: more than a fifth of "
    "the masks failed, the network has not learnt, or its volumes are not shown to follow the "
    "reference’s.",
    "Lakens 2018",
    "10.1177/2515245918770963",
    ("effects", "", ""),
)
INTEREST = Definition(
    "Smallest effect of interest",
    "The effect below which it would not matter whether there is one: as the hypothesis states it "
    "(matters), else half of the published one. Without either nothing can be called absent, and "
    "no two effects the same.",
    "Lakens 2018",
    "10.1177/2515245918770963",
    ("effects", "matters", ""),
)
SHARE = Definition(
    "Share of an effect that volumes show",
    "Change of a method’s volumes per change of the reference’s, by least squares with the "
    "reference taken as true, and therefore a little below Deming’s slope. A network that draws "
    "all masks towards the mean shows a share of every effect, and its small spread looks like "
    "precision. Power, the published size and the smallest effect of interest are computed with "
    "the share, verdicts with its lower end at 90 %.",
    "Frost and Thompson 2000",
    "10.1111/1467-985X.00164",
    ("effects", "share", ""),
)
POWER = Definition(
    "Power",
    "The chance that a cohort of this size and noise finds the published effect (two-sided, 5 %), "
    "of which a method’s volumes show a share. 80 % is usually wanted.",
    "Cohen 1988",
    "10.4324/9780203771587",
    ("effects", "power", ""),
)
KNOWN = (
    INTERVAL,
    KIND,
    VERDICT,
    INTEREST,
    SHARE,
    POWER,
    Definition(
        "Sample size",
        "People needed to find a stated effect (the published one, else the smallest of interest; "
        "never the one found here) with 80 % power, by perfect volumes and by this "
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
        "Robust standard errors",
        "Models with covariates are fitted by least squares with standard errors that allow for "
        "unequal spread (HC3).",
        "MacKinnon and White 1985",
        "10.1016/0304-4076(85)90158-7",
        ("effects", "", ""),
    ),
    Definition(
        "Model with site",
        "Where site explains a tenth or more of what is tested, people of one site are compared "
        "with each other: each site has a volume of its own, as a fixed term or as a random one.",
        "Laird and Ware 1982",
        "10.2307/2529876",
        ("effects", "model", "with_site"),
    ),
    Definition(
        "Same effect",
        "Two methods’ effects are compared by their difference on the same people: the same where "
        "its 90 % interval lies within the smallest effect of interest and the 95 % one includes "
        "0, different where that excludes 0, undecided otherwise.",
        "Schuirmann 1987",
        "10.1007/BF01068419",
        ("effect_differences", "finding", ""),
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
        "The distance in mm that 95 % of the surface of one mask stays within of the other, by "
        "area. Smaller is better. A lost mask has none, so failed cases are counted separately. "
        "One stray voxel can make it large: median and quartiles show the typical case. "
        "Published values often count surface voxels instead, which makes them larger on the same "
        "masks, by up to 0.3 mm at voxels of 1 mm.",
        "Huttenlocher 1993; by area as in Nikolov 2021, doi:10.2196/26151",
        "10.1109/34.232073",
        ("scores", "metric", "hd95_mm"),
    ),
    Definition(
        "ASSD",
        "The mean distance in mm between the surfaces of two masks, both ways, by area. Smaller is "
        "better. A lost mask has none. Published values that count surface voxels are larger on "
        "the same masks, up to twice as large where masks are good.",
        "Heimann 2009",
        "10.1109/TMI.2009.2013851",
        ("scores", "metric", "assd_mm"),
    ),
    Definition(
        "Surface Dice",
        "The share of the area of both surfaces that lies within a tolerance of the other; the "
        "tolerance is given with it. A lost mask has none. The surface is made of the triangles of "
        "marching cubes, as in DeepMind’s surface-distance; published values that count surface "
        "voxels instead are lower on the same masks, by up to 0.1.",
        "Nikolov 2021",
        "10.2196/26151",
        ("scores", "metric", "surface_dice"),
    ),
    Definition(
        "ICC(A,1)",
        "Agreement of single values of two methods, from 0 to 1; a constant bias lowers it. Its "
        "interval is the usual one, of methods (raters) that are a sample of all that could be "
        "used: a bias between two methods makes it wide, however many people there are, as two "
        "tell little of others. The rating goes by its ends: below 0.5 poor, to 0.75 moderate, to "
        "0.9 good, above excellent. “For these methods alone” is the same number with the interval "
        "that takes the methods as they are.",
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
        "The mean difference of two methods (second minus first), and the range that is expected "
        "to hold 95 % of single differences. The slope of the difference on the mean says whether "
        "it grows with size; it is 0 where both methods spread alike, even if the network shrinks, "
        "so see the slope on the reference.",
        "Bland and Altman 1986",
        "10.1016/S0140-6736(86)90837-8",
        ("agreement", "statistic", "bias"),
    ),
    Definition(
        "Slope on the reference",
        "How much the second method’s volumes rise for 1 mm³ of the reference, by Deming’s line, "
        "in which both err alike. Below 1 the network shrinks towards the mean, and with it every "
        "effect. The slope of the difference on the reference (least squares) is lower, as errors "
        "of the reference tilt it too.",
        "Linnet 1993",
        "10.1093/clinchem/39.3.424",
        ("agreement", "statistic", "reference_slope"),
    ),
    Definition(
        "Rater error",
        "SD of one drawing: that of the differences of two drawings of the same scans, divided by "
        "√2. Intra-rater where one person drew both, inter-rater where two did; a bias between "
        "them is no part of it.",
        "Bland and Altman 1996",
        "10.1136/bmj.313.7059.744",
        ("ceiling", "", ""),
    ),
    Definition(
        "Network compared with raters",
        "How the network agrees with one person, minus how another person agrees with the same, "
        "over the cases that all three have. Above 0 the network is closer. The interval is "
        "Student’s t over people, of ICC by the jackknife.",
        "Miller 1974",
        "10.1093/biomet/61.1.1",
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
        "“AUC of” gives the basis: the hypothesis, or else the medians of the first method.",
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
        ("harmonisation", "site_share_combat", ""),
    ),
)


def definitions(
    tables: Mapping[str, pd.DataFrame], known: Sequence[Definition] = KNOWN
) -> list[Definition]:
    """Return the definitions in `known` that the tables need, and those of the failures."""
    found = [one for one in known if _is_there(tables, *one.needs)]
    return found + [
        Definition(_heading(one.name), one.description, "", "", ("failures", "", ""))
        for one in FAILURES
        if _is_there(tables, "failures", "definition", one.name)
    ]


def _heading(name: str) -> str:
    text = name.replace("_", " ")
    return f"Failure: {text.replace('dice', 'Dice')}"


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
