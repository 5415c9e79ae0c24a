"""Figures of a radiomics study: scores by set, calibration, net benefit, learning, features."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from neurotarget.report.drawing.figure import (
    GRID,
    INK,
    MUTED,
    SERIES,
    TEXT_PT,
    finished,
    look,
    new_figure,
)
from neurotarget.report.drawing.panels import Mark, legend
from neurotarget.report.drawing.row_figure import (
    Column,
    Frame,
    Point,
    Row,
    Text,
    draw_rows,
    rows_inch,
)
from neurotarget.report.outcome_figures.class_panels import mark_shares
from neurotarget.report.radiomics.radiomics_sentences import score_name, scores_by_set
from neurotarget.report.survival.risk_figures import MARKS
from neurotarget.report.survival.survival_sentences import set_name
from neurotarget.report.text.numbers import estimate
from neurotarget.stats.radiomics.radiomics_study import RadiomicsStudy
from neurotarget.stats.radiomics.radiomics_tables import probabilities
from neurotarget.stats.survival.risk_checks import net_benefit

SIDE_INCH = 4.2
WIDTH, LEFT, AXES, TOP, FOOT = 8.05, 2.4, 3.0, 0.42, 0.6  # inches
CHANCE = 0.5  # AUC or C
MOST_THRESHOLD = 0.9
MOST_FEATURES = 20
MONOTONE = 0.5  # least rank correlation of SHAP values with their term
LEAKED = Mark(MUTED, "X", "-")


@look()
def scores_figure_of(study: RadiomicsStudy) -> Figure | None:
    """Draw AUC or C of each set with its interval, and the score with selection outside folds.

    The dotted line is chance. None where no model could be fitted.
    """
    scores = scores_by_set(study)
    rows = [_row(set_name(name), scores[name], MARKS[name]) for name in study.scored]
    if study.leak is not None:
        rows.append(_row("image, chosen before folds", study.leak.outside._asdict(), LEAKED))
    if not rows:
        return None
    figure = new_figure("radiomic_scores", WIDTH, rows_inch(rows) + TOP + FOOT, free=True)
    columns = (Column(0.15, 1.9, f"{score_name(study)} [95 % CI]"),)
    axes, _ = draw_rows(figure, rows, Frame(LEFT, TOP, AXES), columns)
    axes.grid(axis="x")
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, CHANCE - 0.01), high)
    axes.axvline(CHANCE, color=MUTED, lw=1.0, ls=(0, (2, 2)), zorder=1)
    axes.set_xlabel(f"{score_name(study)} of people left out", fontsize=TEXT_PT)
    return finished(figure)


def _row(name: str, row: dict, mark: Mark) -> Row:
    return Row([name], [Point(row["value"], row["low"], row["high"], mark)],
               [Text(estimate(row, digits=3))])  # fmt: skip


@look()
def probability_figure(study: RadiomicsStudy) -> Figure | None:
    """Draw observed shares over predicted probabilities in bins; None for times and numbers.

    Intervals are those of the table of bins, one marker per set of terms.
    """
    table = study.tables["calibration_bins"]
    if not len(table):
        return None
    figure, axes = _square("probability_calibration")
    axes.plot([0, 1], [0, 1], color=MUTED, lw=1.0, ls=(0, (2, 2)), zorder=1)
    for name in study.scored:
        mark, rows = MARKS[name], table[table["terms"] == name]
        axes.vlines(rows["probability"], rows["low"], rows["high"], color=mark.colour, lw=1.1)
        axes.plot(rows["probability"], rows["observed"], ls="none", marker=mark.marker,
                  markersize=4.5, color=mark.colour)  # fmt: skip
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="predicted probability", ylabel="observed share")
    mark_shares(axes.xaxis, axes.yaxis)
    legend(figure, {set_name(name): MARKS[name] for name in study.scored})
    return finished(figure)


@look()
def number_figure(study: RadiomicsStudy) -> Figure | None:
    """Draw true numbers over those predicted without the person; None for classes and times.

    In the unit of the outcome, with the line on which both are equal.
    """
    outcome = study.material.outcome
    if not outcome.is_number or not study.scored:
        return None
    figure, axes = _square("predicted_numbers")
    ends = [float(outcome.y.min()), float(outcome.y.max())]
    axes.plot(ends, ends, color=MUTED, lw=1.0, ls=(0, (2, 2)), zorder=1)
    for name in study.scored:
        mark = MARKS[name]
        axes.plot(probabilities(study.arms[name]), outcome.y, ls="none", marker=mark.marker,
                  markersize=3.5, color=mark.colour, alpha=0.7)  # fmt: skip
    axes.set(xlabel="predicted without the person", ylabel=study.material.positive_is or "outcome")
    legend(figure, {set_name(name): MARKS[name] for name in study.scored})
    return finished(figure)


@look()
def benefit_figure(study: RadiomicsStudy) -> Figure | None:
    """Draw net benefit over the threshold at which one would act; None for times and numbers.

    Acting on everyone and on nobody are drawn for comparison; thresholds end at 0.9.

    Source: Vickers et al. 2008, doi:10.1186/1472-6947-8-53.
    """
    outcome = study.material.outcome
    if not outcome.is_class or not study.scored:
        return None
    figure, axes = _square("net_benefit")
    # a class is an event on day 1, or follow-up until day 2: the share by day 1 is the prevalence
    days, top = np.where(outcome.y == 1, 1.0, 2.0), 0.1
    for name in study.scored:
        found = net_benefit(days, outcome.y, probabilities(study.arms[name]), 1.0)
        shown = found.thresholds <= MOST_THRESHOLD
        axes.plot(found.thresholds[shown], found.model[shown], color=MARKS[name].colour,
                  ls=MARKS[name].line, lw=1.6, zorder=3)  # fmt: skip
        top = max(top, float(np.nanmax(found.model[shown])))
    axes.plot(found.thresholds[shown], found.everyone[shown], color=INK, lw=1.0,
              ls=(0, (1, 1.5)), zorder=2)  # fmt: skip
    axes.axhline(0, color=MUTED, lw=1.0, zorder=1)
    axes.set(xlim=(0, MOST_THRESHOLD), ylim=(-0.12 * top, 1.08 * top),
             xlabel="threshold of probability", ylabel="net benefit")  # fmt: skip
    axes.xaxis.set_major_locator(MultipleLocator(0.2))
    marks = {set_name(name): MARKS[name] for name in study.scored}
    legend(figure, {**marks, "everyone": Mark(INK, "", (0, (1, 1.5))),
                    "nobody": Mark(MUTED, "", "-")}, lines=True)  # fmt: skip
    return finished(figure)


@look()
def learning_figure(study: RadiomicsStudy) -> Figure | None:
    """Draw AUC or C over the number of people that models were fitted to, for each set of terms.

    None with fewer than two such numbers.

    It reads the table `learning`.
    """
    table = study.tables["learning"]
    if not len(table) or table["people"].nunique() < 2:
        return None
    figure, axes = _square("learning_curve")
    for name, rows in table.groupby("terms", sort=False):
        mark = MARKS[str(name)]
        axes.plot(rows["people"], rows["value"], color=mark.colour, marker=mark.marker,
                  markersize=4.5, ls=mark.line, lw=1.6)  # fmt: skip
    axes.axhline(CHANCE, color=MUTED, lw=1.0, ls=(0, (2, 2)), zorder=1)
    axes.set(xlabel="people that a model was fitted to", ylabel=f"{score_name(study)}, left out")
    axes.set_xlim(left=0)
    legend(figure, {set_name(name): MARKS[name] for name in study.scored}, lines=True)
    return finished(figure)


@look()
def chosen_figure(study: RadiomicsStudy) -> Figure | None:
    """Draw how often the image features were chosen, those chosen most often first.

    At most 20 features are drawn; None where no model chose one.

    It reads the table `features`: in how many of all chains of folds and repeats each was chosen.
    """
    table = study.tables.get("features")
    if table is None or not len(table):
        return None
    rows = [
        Row([str(row["feature"])], [Point(row["share"], row["share"], row["share"],
                                          Mark(SERIES[0], "o", "-"))],
            [Text(f"{row['chosen']} of {row['chains']}")])
        for row in table.head(MOST_FEATURES).to_dict("records")
    ]  # fmt: skip
    figure = new_figure("chosen_features", WIDTH, rows_inch(rows) + TOP + FOOT, free=True)
    axes, _ = draw_rows(figure, rows, Frame(4.0, TOP, 2.4), (Column(0.15, 1.0, "models"),))
    axes.grid(axis="x")
    axes.set_xlim(0, 1.03)
    axes.set_xlabel("share of models", fontsize=TEXT_PT)
    return finished(figure)


@look()
def shap_figure(study: RadiomicsStudy) -> Figure | None:
    """Draw the mean absolute SHAP value of each term, the largest first; None without the table.

    At most 20 terms are drawn. It reads the table `shap`.
    """
    table = study.tables.get("shap")
    if table is None or not len(table):
        return None
    mark = Mark(SERIES[0], "o", "-")
    rows = [
        Row([str(row["term"])], [Point(row["shap"], row["shap"], row["shap"], mark)],
            [Text(_direction(row["direction"]))])
        for row in table.head(MOST_FEATURES).to_dict("records")
    ]  # fmt: skip
    figure = new_figure("shap_values", WIDTH, rows_inch(rows) + TOP + FOOT, free=True)
    axes, _ = draw_rows(figure, rows, Frame(4.0, TOP, 2.4), (Column(0.15, 1.0, "prediction"),))
    axes.grid(axis="x")
    axes.set_xlim(left=0)
    axes.set_xlabel("mean absolute SHAP value", fontsize=TEXT_PT)
    return finished(figure)


def _direction(correlation: float) -> str:
    """Return whether the prediction rises or falls with a term; neither if not monotone."""
    if not abs(correlation) >= MONOTONE:
        return "varies"
    return "rises" if correlation > 0 else "falls"


def _square(name: str) -> tuple[Figure, object]:
    figure = new_figure(name, SIDE_INCH, SIDE_INCH)
    axes = figure.subplots()
    axes.grid(color=GRID, lw=0.6)
    return figure, axes
