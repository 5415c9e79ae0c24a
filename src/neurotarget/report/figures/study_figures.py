"""All figures of a study with titles and captions, or the reason for a missing figure."""

from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from neurotarget.report.drawing.lettering import plain
from neurotarget.report.drawing.panels import (
    MOST_PAIRS,
    MOST_PANELS,
    Shown,
    pair_name,
    pairs,
    shown,
    table,
)
from neurotarget.report.figures.ages import MOST_METHODS, ages_figure, ages_labels, ages_methods
from neurotarget.report.figures.bland_altman import bland_altman_figure, bland_altman_labels
from neurotarget.report.figures.exclusions import NAME as FLOW
from neurotarget.report.figures.exclusions import flow_figure
from neurotarget.report.figures.failure_rates import failures_figure
from neurotarget.report.figures.forest import forest_figure, forest_groups
from neurotarget.report.figures.part_strips import NAME as PARTS
from neurotarget.report.figures.part_strips import parts_figure
from neurotarget.report.figures.residuals import NAME as RESIDUALS
from neurotarget.report.figures.residuals import residuals_figure
from neurotarget.report.figures.scatter import scatter_figure
from neurotarget.report.figures.site_effects import (
    MOST_EFFECTS,
    MOST_SITES,
    sites_effects,
    sites_figure,
    sites_name,
)
from neurotarget.report.figures.strips import (
    MOST_NAMED,
    POOR,
    dice_figure,
    dice_labels,
    volumes_figure,
)
from neurotarget.stats.study.results import Study

BRACKETS = "Square brackets hold 95 % confidence intervals."
POINTS = "Each point is a case; in the report a point opens its case."
NOTHING_TO_COMPARE = "There is one set of volumes only, so there is nothing to compare it with."
MOST_REASONS = 3


class NamedFigure(NamedTuple):
    """A figure with title and caption; without a figure, `caption` is the reason.

    `name` is unique, valid as a file name, and the prefix of ids in the figure's SVG.
    """

    name: str
    title: str
    caption: str
    figure: Figure | None


def all_figures(study: Study) -> list[NamedFigure]:
    """Return all figures in reading order: effects, agreement, failures."""
    alone = len(study.measured.methods) < 2
    return [
        _effects(study),
        *_residuals(study),
        *([_volumes(study)] if alone else []),
        _ages(study),
        *_compared(study),
        *_parts(study),
        _dice(study),
        _failures(study),
        *_sites(study),
        *_flow(study),
    ]


def _flow(study: Study) -> list[NamedFigure]:
    """The flow of cases, where the study has it."""
    figure = flow_figure(study)
    caption = "Cases from those that were listed to those behind each effect, which counts people."
    return [] if figure is None else [NamedFigure(FLOW, "Flow of cases", caption, figure)]


def _effects(study: Study) -> NamedFigure:
    title, figure = "Effects", forest_figure(study)
    if figure is None:
        rows = table(study, "effects")
        declared = study.measured.target.hypotheses
        other = "The study has no effects." if declared else "The target declares no hypothesis."
        why = reasons_sentence(rows) or other
        return NamedFigure("effects", title, f"No effect could be estimated. {why}", None)
    caption = (
        "What each hypothesis found: the marker is the estimated effect and the line its 95 % "
        "confidence interval, also in square brackets. An interval that does not touch the dotted "
        "line at zero shows an effect. What each method measured is tested by itself. The large "
        "marker is the leading model, whose verdict counts; small ones are further models, with "
        "site or head size taken into account. A hollow diamond is the effect that is expected."
    )
    count = len(forest_groups(study))
    more = f" The first {MOST_PANELS} of {count} are shown." if count > MOST_PANELS else ""
    return NamedFigure("effects", title, caption + more, figure)


def _residuals(study: Study) -> list[NamedFigure]:
    """The residuals of leading models, where there are estimates."""
    figure = residuals_figure(study)
    caption = (
        "Checks of the leading models, one row per hypothesis and method. Left: a funnel shows "
        "unequal spread, for which the standard errors allow, and a bend shows that a line does "
        "not fit. Right: people far from zero influence the effect, most of all far to the right."
    )
    return [] if figure is None else [NamedFigure(RESIDUALS, "Residuals", caption, figure)]


def _volumes(study: Study) -> NamedFigure:
    title, figure, methods = "Volumes", volumes_figure(study), study.measured.methods[:1]
    if figure is None:
        return NamedFigure("volumes", title, "No case has a volume.", None)
    caption = (
        f"Volumes of all cases by sex. {POINTS} The thick line is the median and the grey box "
        "holds the middle half of the cases. The means are above each panel, with their 95 % "
        "confidence intervals in square brackets."
    )
    return NamedFigure("volumes", title, caption + _left_out(shown(study, methods)), figure)


def _ages(study: Study) -> NamedFigure:
    title, figure = "Volumes over age", ages_figure(study)
    if figure is None:
        has_age = "age" in study.measured.covariates
        other = "The study has no curves." if has_age else "The cases have no known ages."
        why = reasons_sentence(table(study, "age")) or other
        return NamedFigure("ages", title, f"No curve over age could be fitted. {why}", None)
    methods = study.measured.methods
    side_by_side = (
        " The methods are side by side on equal axes: equal curves mean that both methods find "
        "the same change with age."
        if len(methods) > 1
        else ""
    )
    first = (
        f" The first {MOST_METHODS} of {len(methods)} methods are shown."
        if len(ages_methods(study)) < len(methods)
        else ""
    )
    caption = (
        f"Volumes over age. {POINTS} The curves are means by sex and the bands their 95 % "
        f"confidence intervals.{side_by_side} The mean change per year of age is above each "
        f"panel. {BRACKETS}{first}"
    )
    return NamedFigure("ages", title, caption + _left_out(ages_labels(study)), figure)


def _compared(study: Study) -> list[NamedFigure]:
    """Scatter and Bland–Altman figures of up to three pairs of methods."""
    known = pairs(study.measured)
    if not known:
        return [
            NamedFigure("scatter", "Agreement of volumes", NOTHING_TO_COMPARE, None),
            NamedFigure("bland_altman", "Differences of volumes", NOTHING_TO_COMPARE, None),
        ]
    count = len(study.measured.pairs)
    more = f" The first {MOST_PAIRS} of {count} pairs are shown." if count > MOST_PAIRS else ""
    return [make(study, pair, more) for pair in known for make in (_scatter, _bland_altman)]


def _scatter(study: Study, pair: tuple[str, str], more: str) -> NamedFigure:
    name, figure = pair_name(study.measured, pair, "scatter"), scatter_figure(study, pair)
    first, second = (plain(method) for method in pair)
    title = f"Agreement of volumes: {second} against {first}"
    if figure is None:
        return NamedFigure(name, title, f"No case has a volume by both {first} and {second}.", None)
    caption = (
        f"Volumes by {second} against volumes by {first}. {POINTS} On the grey line both "
        "are equal. ICC(A,1) is the intraclass correlation of absolute agreement: 1 is perfect, a "
        f"constant error lowers it; Pearson's r is blind to such an error. The dotted line is "
        f"{second} on {first} where both err alike; a slope below 1 shrinks towards the mean. "
        f"{BRACKETS}"
    )
    return NamedFigure(name, title, caption + _left_out(shown(study, pair)) + more, figure)


def _bland_altman(study: Study, pair: tuple[str, str], more: str) -> NamedFigure:
    name = pair_name(study.measured, pair, "bland_altman")
    figure, (first, second) = bland_altman_figure(study, pair), (plain(method) for method in pair)
    title = f"Differences of volumes: {second} − {first}"
    if figure is None:
        rows = table(study, "agreement", first=pair[0], second=pair[1], stratum="all")
        why = reasons_sentence(rows) or "The study has no agreement of these two."
        return NamedFigure(name, title, f"No bias could be estimated. {why}", None)
    caption = (
        f"How far {second} differs from {first}, over the size of the structure (Bland–Altman). "
        f"{POINTS} The solid line is the mean difference (bias); 95 % of differences are expected "
        "between the dashed lines (limits of agreement). Grey bands and square brackets are 95 % "
        "confidence intervals. A dotted line is drawn where the difference changes with size."
    )
    labels = bland_altman_labels(study, pair)
    return NamedFigure(name, title, caption + _left_out(labels) + more, figure)


def _parts(study: Study) -> list[NamedFigure]:
    """Dice of internal and external cases, where the study distinguishes them."""
    figure = parts_figure(study)
    if figure is None:
        return []
    caption = (
        f"Dice of every case, by label and by whether the network knew the site. {POINTS} The "
        "thick line is the mean; lost masks count with 0. A dashed line is a mean that others "
        "have published, the band its standard deviation over their cases; it is of other data, "
        "and not a criterion for these cases."
    )
    return [NamedFigure(PARTS, "Dice of internal and external cases", caption, figure)]


def _dice(study: Study) -> NamedFigure:
    title, figure = "Overlap of masks", dice_figure(study)
    if figure is None:
        why = "No mask was scored against a reference, so there is no overlap to show."
        return NamedFigure("dice", title, why, None)
    labels = dice_labels(study)
    more = (
        f" The {len(labels.labels)} labels of the lowest median are shown; "
        "all others are in the tables."
        if labels.left_out
        else ""
    )
    caption = (
        f"Dice of every case: 1 is perfect overlap with the reference, 0 none. {POINTS} The thick "
        "line is the median; the grey box and the square brackets hold the middle half of the "
        f"cases. Lost masks count with 0. Up to {MOST_NAMED} cases below {POOR:g} are named."
    )
    return NamedFigure("dice", title, caption + more, figure)


def _failures(study: Study) -> NamedFigure:
    title, figure = "Failures", failures_figure(study)
    if figure is None:
        why = reasons_sentence(table(study, "failures")) or "The study has no table of failures."
        return NamedFigure("failures", title, f"No failure rate could be stated. {why}", None)
    caption = (
        "Failed cases by each definition of failure. The marker is the share of "
        "cases and the line its 95 % confidence interval (Wilson), also in square brackets. Where "
        "no case failed, the line's right end is the highest rate that fits the data."
    )
    return NamedFigure("failures", title, caption, figure)


def _sites(study: Study) -> list[NamedFigure]:
    effects = sites_effects(study)
    if not effects:
        count = _site_count(study)
        alone = ("The cases have no known sites.", "The cases come from one site.")
        why = alone[count] if count < 2 else reasons_sentence(table(study, "sites"))
        why = why or "The study has no effect by site."
        return [NamedFigure("sites", "Sites", f"Sites are not compared. {why}", None)]
    found = []
    for which, (hypothesis, _) in enumerate(effects):
        effect = plain(hypothesis).replace("_", " ")
        caption = (
            f"Whether the effect ({effect}) hangs on one site. Left: the effect within "
            "each site. Middle: the effect in all others when this site is left out. Markers are "
            "estimates, lines their 95 % confidence intervals; a row without a marker could not be "
            "estimated. The upright solid and dashed lines are the effect in the whole cohort, the "
            "dotted one is zero. Right: volumes by site, with the "
            "median as a thick line."
        )
        count = _site_count(study)
        more = f" The first {MOST_SITES} of {count} sites are shown." if count > MOST_SITES else ""
        if which == MOST_EFFECTS - 1:
            more += " Further effects, if any, are in the table of sites."
        title = f"Sites: {effect}"
        found.append(
            NamedFigure(sites_name(which), title, caption + more, sites_figure(study, which))
        )
    return found


def _site_count(study: Study) -> int:
    known = study.measured.covariates
    return int(known["site"].nunique()) if "site" in known else 0


def _left_out(labels: Shown) -> str:
    if not labels.left_out:
        return ""
    return (
        f" Of {len(labels.labels) + labels.left_out} labels and regions the {len(labels.labels)} "
        "with the lowest agreement are shown; all others are in the tables."
    )


def reasons_sentence(rows: pd.DataFrame) -> str:
    """Return a sentence with the first few reasons in a table."""
    if "reason" not in rows:
        return ""
    reasons = [str(reason) for reason in rows["reason"].dropna().unique() if str(reason)]
    listed_reasons = "; ".join(reasons[:MOST_REASONS])
    return f"{listed_reasons[0].upper()}{listed_reasons[1:].rstrip('.')}." if listed_reasons else ""
