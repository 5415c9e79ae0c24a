"""Tables of a page: titles, headings, column kinds and the JSON for sorting and download."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

from neurotarget.report.text.sentences import not_estimated

MANY = 60  # from so many rows on, a table first shows the whole cohort only
MOST_PRINTED = 60  # most rows of a printed table
MOST_CHOICES = 150  # most values of a column with a filter


@dataclass(frozen=True)
class About:
    """Title and description of a table, and the format of its columns.

    `value` is the column that is missing in rows with a reason; `low` and `high` belong to it.
    With `own_names`, columns without a heading here have users' names and are shown unchanged.
    """

    title: str
    words: str = ""
    is_printed: bool = False  # included when the page is printed
    value: str = ""
    headings: Mapping[str, str] = field(default_factory=dict)  # these override HEADINGS
    kinds: Mapping[str, str] = field(default_factory=dict)  # override the kind by name
    scales: Mapping[str, float] = field(default_factory=dict)  # divisors of shown numbers
    hidden: Sequence[str] = ()  # columns that are in the download only
    own_names: bool = False


TABLES = {  # in reading order
    "effects": About(
        "Effects",
        "Each hypothesis by each method in each of its models; the leading model answers it.",
        is_printed=True,
    ),
    "effect_differences": About(
        "Difference of effects between methods",
        "Second minus first, on the same people, against the smallest effect of interest.",
        is_printed=True,
    ),
    "residuals": About(
        "Residuals",
        "Residual of each person in the leading model, and the effect's change without them.",
    ),
    "label_effects": About(
        "Effects by label",
        "Each hypothesis on a whole target, by label; p by Holm is corrected for their number.",
        headings={"p_holm": "p by Holm", "n_tests": "tests"},
        is_printed=True,
    ),
    "power": About(
        "Power and sample size",
        "People needed to find each effect with 80 % power.",
        is_printed=True,
    ),
    "raters": About(
        "Raters",
        "Every two of network, reference and further raters: overlap of masks, agreement of "
        "volumes (second minus first).",
        value="dice",
        headings={"icc_a1": "ICC(A,1)", "icc_c1": "ICC(C,1)", "pearson_r": "Pearson r"},
    ),
    "ceiling": About(
        "Intra- and inter-rater error",
        "The SD of one drawing of the same scan, by one rater who draws again and by two raters; "
        "the bias between both is a separate column and not part of it.",
        is_printed=True,
        value="error_mm3",
        headings={"error": "kind", "error_mm3": "error, mm³", "icc_a1": "ICC(A,1)"},
    ),
    "rater_differences": About(
        "Network compared with raters",
        "Agreement of the network with a person minus that of another person, on the same cases.",
    ),
    "agreement": About(
        "Agreement of volumes",
        "Every statistic for every label, in the whole cohort and by sex, site, group and age.",
    ),
    "parts": About(
        "Internal and external",
        "Cases of sites that were trained on (internal) and of others (external); published "
        "values are of other data.",
        is_printed=True,
    ),
    "scores": About(
        "Scores of masks",
        "Overlap and surface distances against the reference, in the cohort and its parts. A lost "
        "mask has no distances: it is counted as undefined and as failed, not in their mean.",
    ),
    "failures": About("Failures", "Cases that failed by each definition.", is_printed=True),
    "failed_cases": About("Failed cases", "Worst first.", is_printed=True),
    "volumes": About("Volumes", "Mean volume of every label by every method."),
    "means": About(
        "Mean intensities", "Mean over cases of the mean inside every label, by every method."
    ),
    "mean_agreement": About(
        "Agreement of mean intensities",
        "As the agreement of volumes, in the unit of the contrast; shares in % have no meaning "
        "where 0 is a convention.",
    ),
    "age": About("Age", "Slope of volume over age, and tests of a curve."),
    "influence": About(
        "Influence of single people",
        "Each hypothesis, as declared and in the leading model, with everybody, without the one "
        "person who changes the verdict or sign (or else moves the effect most), and by a robust "
        "method; outliers are more than 3 MAD from the median.",
        value="estimate",
        headings={
            "estimate_without": "Without that person",
            "verdict_without": "Verdict without",
            "robust": "Robust",
            "robust_kind": "Robust method",
            "n_outliers": "Outliers",
            "outliers": "Who",
        },
    ),
    "biomarkers": About("Group discrimination", "How well a volume discriminates two groups."),
    "biomarker_differences": About(
        "Difference of discrimination between methods", "Second minus first, on the same people."
    ),
    "sites": About("Leave one site out", "Each effect on volumes within one site, and without it."),
    "harmonisation": About("Harmonisation of sites", "Before and after ComBat, out of fold."),
    "postprocessing": About(
        "Post-processing",
        "Steps tried on the validation cases: mean Dice and masks in several pieces, before and "
        "after.",
    ),
    "people": About("Table 1", "Who was studied, in all and by part."),
    "flow": About("Flow of cases", "Who was left out at each step, and why."),
    "longitudinal": About(
        "Change within people",
        "Slopes over age within and between people, mm³ a year, clustered by person.",
        value="within",
    ),
    "assumptions": About(
        "Checks of differences",
        "Whether limits of agreement may be stated in mm³, and whether they are narrow enough.",
        value="p_normal",
    ),
    "tests": About("Tests", "p values, uncorrected and by Holm; variance inflation.", value="vif"),
    "noninferiority": About(
        "Non-inferiority", "The network’s Dice minus a second rater’s, against a margin."
    ),
    "curves": About("Age curves", "The points of the curves with their bands."),
    "cases": About("Cases", "One row per case: covariates, volumes, scores."),
}
HEADINGS = {
    **{letter: letter for letter in "npqrd"},
    "sd": "SD",
    "auc": "AUC",
    "auc_raw": "AUC, first group larger",
    "auc_of": "AUC of",
    "delta_d": "Δ d",
    "delta_auc": "Δ AUC",
    "q1": "1st quartile",
    "q3": "3rd quartile",
    "case_id": "Case",
    "subject_id": "Subject",
    "n_dropped": "Left out",
    "n_failed": "Failed",
    "interval": "Kind of interval",
    "n_sites": "Sites",
    "n_perfect": "n, perfect",
    "n_method": "n, method",
    "n_a": "n of A",
    "n_b": "n of B",
    "n_missing": "Missing",
    "n_nan": "Undefined",
    "n_volumes": "n of volumes",
    "n_subjects": "Subjects",
    "published_sd": "Published SD",
    "size_kind": "Kind of size",
    "p_curve": "p of curve",
    "p_slope": "p of slope",
    "p_interaction": "p of interaction with sex",
    "detectable": "Detectable",
    "expected": "Expected",
    "hd95_mm": "HD95, mm",
    "of_network": "Of the network",
    "of_rater": "Of the rater",
    "mae_mm3": "Mean absolute error, mm³",
    "mae_combat_mm3": "… after ComBat, mm³",
    "bias_mm3": "Bias, mm³",
    "bias_combat_mm3": "… after ComBat, mm³",
}
# displayed text of values in text columns
VALUES = {
    "pearson_r": "Pearson r",
    "spearman_rho": "Spearman rho",
    "icc_a1": "ICC(A,1)",
    "icc_a1_fixed": "ICC(A,1), for these methods alone",
    "icc_c1": "ICC(C,1)",
    "ccc": "CCC",
    "bias": "bias",
    "bias_percent": "bias, %",
    "sd_difference": "SD of differences",
    "lower_limit": "lower limit of agreement",
    "upper_limit": "upper limit of agreement",
    "proportional_slope": "slope of the difference on the mean",
    "slope_on_reference": "slope of the difference on the reference",
    "reference_slope": "slope on the reference",
    "reference_intercept": "intercept on the reference",
    "dice": "Dice",
    "hd95_mm": "HD95",
    "assd_mm": "ASSD",
    "surface_dice": "surface Dice",
    "volume_similarity": "volume similarity",
    "tiv_ancova": "TIV by ANCOVA",
    "tiv_residual": "TIV by residual",
    "tiv_proportion": "TIV by proportion",
    "crash_or_empty": "crash or empty",
    "dice_below_0.1": "Dice below 0.1",
    "dice_below_0.5": "poor: Dice below 0.5",
    "implausible_volume": "implausible volume",
    "touches_edge": "touches the edge",
    "several_pieces": "several pieces",
}
MAIN = ("estimate", "value", "mean", "difference", "rate", "slope", "volume")  # own low and high
SHARES = ("rate", "power", "site_share_raw", "site_share_combat")
STEMS = {
    **{"model_difference": ("model",), "estimate_without": ("without",)},
    **{"icc_a1": ("icc",), "bias_mm3": ("bias",)},
}
COUNTS = frozenset({"n", "folds", "severity"})
FILTERS = (
    "arm", "other", "objective", "status", "hypothesis", "model", "method", "contrast", "part",
    "label", "stratum", "statistic", "metric", "measure", "definition",
)  # fmt: skip


class Column(NamedTuple):
    """One displayed column; `low` and `high` are merged into it in square brackets."""

    key: str
    heading: str
    kind: str  # text, number, count, p, share, setting (in significant figures) or case
    low: str = ""
    high: str = ""
    scale: float = 1


class Sheet(NamedTuple):
    """One table of the page. `data` is JSON: columns by key, text columns as words and codes."""

    name: str
    title: str
    about: str
    columns: tuple[Column, ...]
    filters: tuple[str, ...]
    preset: Mapping[str, str]
    n_rows: int
    is_printed: bool
    data: Mapping[str, object]


def sheets(tables: Mapping[str, pd.DataFrame], known: Mapping[str, About] = TABLES) -> list[Sheet]:
    """Return every table with rows, in the order of `known`; unknown tables come last."""
    names = [name for name in known if name in tables]
    names += [name for name in tables if name not in known]
    return [_sheet(name, tables[name], _about(name, known)) for name in names if len(tables[name])]


def empty_tables(
    tables: Mapping[str, pd.DataFrame], known: Mapping[str, About] = TABLES
) -> list[str]:
    """Return the headings of tables without rows."""
    return [_about(name, known).title for name, table in tables.items() if not len(table)]


def reasons(
    tables: Mapping[str, pd.DataFrame], known: Mapping[str, About] = TABLES
) -> list[tuple[str, int, dict[str, int]]]:
    """Return title, number of rows and reasons for each table with missing estimates."""
    found_reasons = []
    for name, table in tables.items():
        about = _about(name, known)
        value = about.value or next((key for key in (*MAIN, "d") if key in table), "")
        if found := not_estimated(table, value):
            found_reasons.append((about.title, sum(found.values()), found))
    return found_reasons


def script_json(value: object) -> str:
    """Return JSON that is safe inside a script element: no text can end it or begin a tag."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _sheet(name: str, table: pd.DataFrame, about: About) -> Sheet:
    filters = tuple(
        key for key in FILTERS if key in table and 1 < table[key].nunique() <= MOST_CHOICES
    )
    whole = len(table) > MANY and "stratum" in filters and (table["stratum"] == "all").any()
    return Sheet(
        name,
        about.title,
        about.words,
        _columns(table, about),
        filters,
        {"stratum": "all"} if whole else {},
        len(table),
        about.is_printed and len(table) <= MOST_PRINTED,
        {str(key): _packed(table[key]) for key in table},
    )


def _about(name: str, known: Mapping[str, About]) -> About:
    return known.get(name) or About(_words(name))


def _columns(table: pd.DataFrame, about: About) -> tuple[Column, ...]:
    """Columns without empty ones; intervals are merged into their column."""
    ends = _intervals(table, about)
    merged = {end for pair in ends.values() for end in pair} | set(about.hidden)
    return tuple(
        Column(
            str(key),
            _heading(str(key), about),
            _kind(str(key), table[key], about),
            *ends.get(key, ("", "")),
            scale=about.scales.get(str(key), 1),
        )
        for key in table
        if key not in merged and not _is_blank(table[key])
    )


def _intervals(table: pd.DataFrame, about: About) -> dict[str, tuple[str, str]]:
    """Names of low and high of each column with an interval: `icc_low` serves `icc_a1` too."""
    found: dict[str, tuple[str, str]] = {}
    for key in map(str, table):
        for stem in (key.removeprefix("estimate_"), *STEMS.get(key, ())):
            if {f"{stem}_low", f"{stem}_high"} <= set(table):
                found[key] = (f"{stem}_low", f"{stem}_high")
    main = about.value or next((key for key in MAIN if key in table), None)
    if main and main not in found and {"low", "high"} <= set(table):
        found[main] = ("low", "high")
    return found


def _kind(key: str, values: pd.Series, about: About) -> str:
    if key == "case_id":
        return "case"
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return "text"
    return about.kinds.get(key) or _kind_by_name(key, is_own=_is_own(key, about))


def _kind_by_name(key: str, *, is_own: bool) -> str:
    if is_own:
        return "setting"
    if key in COUNTS or key.startswith("n_"):
        return "count"
    if key in ("p", "q") or key.startswith("p_"):
        return "p"
    return "share" if key in SHARES else "number"


def _is_own(key: str, about: About) -> bool:
    """Whether this column has a user's name."""
    return about.own_names and key not in about.headings


def _is_blank(values: pd.Series) -> bool:
    """Whether a text column is empty; missing numbers are shown as dashes instead."""
    if pd.api.types.is_numeric_dtype(values):
        return False
    return bool((values.isna() | (values.astype(str) == "")).all())


def _heading(key: str, about: About) -> str:
    if _is_own(key, about):
        return key
    return about.headings.get(key) or HEADINGS.get(key) or _words(key)


def _words(key: str) -> str:
    text = key.replace("_mm3", ", mm³").replace("_mm", ", mm").replace("_", " ")
    # names such as eTIV stay as they are
    return text if text[1:2].isupper() else text[:1].upper() + text[1:]


def _packed(values: pd.Series) -> object:
    """Numbers as a list with null where undefined; text as distinct words and codes."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return [_number(value) for value in values.tolist()]
    texts = ["" if _is_missing(value) else str(value) for value in values.tolist()]
    names = list(dict.fromkeys(texts))
    places = {text: number for number, text in enumerate(names)}
    return {"words": names, "codes": [places[text] for text in texts]}


def _number(value: float) -> float | int | None:
    if value is None or value is pd.NA or not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else value


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or value != value
