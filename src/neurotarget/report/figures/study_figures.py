"""All figures of a study with titles and captions, or the reason for a missing figure.

Each figure is drawn by its own module; this module adds the title, and the caption from
`assets/texts.toml` with the names of the study's main quantity. A caption states how many labels,
pairs, methods or sites are left out, since a figure shows only as many as can be read.
"""

from neurotarget.quantity import one_of
from neurotarget.report.drawing.lettering import plain
from neurotarget.report.drawing.panels import (
    MOST_PAIRS,
    MOST_PANELS,
    PanelLabels,
    pair_name,
    pairs,
    panel_labels,
)
from neurotarget.report.drawing.training_curve import training_figure
from neurotarget.report.figures.ages import MOST_METHODS, ages_figure, ages_labels
from neurotarget.report.figures.bland_altman import bland_altman_figure, bland_altman_labels
from neurotarget.report.figures.exclusions import flow_figure
from neurotarget.report.figures.failure_rates import failures_figure
from neurotarget.report.figures.forest import forest_figure, forest_groups
from neurotarget.report.figures.named_figures import (
    NamedFigure,
    first_of,
    named_figure,
    reasons_sentence,
)
from neurotarget.report.figures.part_strips import parts_figure
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
    values_figure,
)
from neurotarget.report.outcome_figures.calibration_curves import (
    calibration_figure,
    calibration_labels,
)
from neurotarget.report.outcome_figures.confusion_matrix import confusion_figure
from neurotarget.report.outcome_figures.probability_strips import probabilities_figure
from neurotarget.report.outcome_figures.roc_curves import (
    discrimination_figure,
    discrimination_labels,
    free_response_figure,
)
from neurotarget.report.text.assets import page_text
from neurotarget.report.text.placeholders import placeholders_of
from neurotarget.report.text.sentences import capital, rows_of, values_of
from neurotarget.stats.study.results import Study

NOTHING_TO_COMPARE = "There is one set of {} only, so there is nothing to compare it with."


def all_figures(study: Study) -> list[NamedFigure]:
    """Return all figures in reading order: predicted classes, effects, agreement, failures.

    A figure that cannot be drawn is an entry whose `figure` is None and whose caption is the
    reason. Figures that few studies need (predicted classes, residuals, parts, flow) have no such
    entry. Probabilities have no figures of agreement, as their reference is 0 or 1.
    """
    main = study.measured.main
    is_single = len(main.tables) < 2
    optional = {
        "residuals": ("Residuals", residuals_figure),
        "parts": ("Dice of internal and external cases", parts_figure),
        "flow": ("Flow of cases", flow_figure),
        "training": ("Training", training_figure),
    }
    residuals, parts, flow, training = (
        [named_figure(f"study.{name}", title, figure)] if (figure := draw(study)) else []
        for name, (title, draw) in optional.items()
    )
    values = [_values(study)] if is_single else []
    measured = []  # none of probabilities, whose reference is 0 or 1
    if not main.is_probability:
        compared = _single(study) if is_single else _compared(study)
        measured = [_ages(study), *compared]
    dice = [_dice(study)] if study.measured.target.labels else []
    return [
        *_outcomes(study),
        *(_effects(study), *residuals, *values, *measured, *parts, *dice),
        *(_failures(study), *_sites(study), *flow, *training),
    ]


def _outcomes(study: Study) -> list[NamedFigure]:
    """Return the figures of predicted classes, where there are any."""
    figures = {
        "discrimination": (
            "ROC and precision–recall curves",
            discrimination_figure,
            discrimination_labels,
        ),
        "free_response": ("Free-response curve", free_response_figure, None),
        "calibration": ("Calibration curve", calibration_figure, calibration_labels),
        "confusion": ("Predicted and reference classes", confusion_figure, None),
        "probabilities": ("Predicted probabilities", probabilities_figure, None),
    }
    drawn = []
    for name, (title, draw, labels) in figures.items():
        if figure := draw(study):
            left = labels(study).left_out if labels else 0
            more = f" {left} more classes are in the tables." if left else ""
            drawn.append(named_figure(f"study.{name}", title, figure, more=more))
    return drawn


def _effects(study: Study) -> NamedFigure:
    declared = study.measured.target.hypotheses
    other = "The study has no effects." if declared else "The target declares no hypothesis."
    why = f"No effect could be estimated. {reasons_sentence(rows_of(study, 'effects')) or other}"
    more = first_of(len(forest_groups(study)), MOST_PANELS, "")
    effects = rows_of(study, "effects")
    has_heads = "model" in effects and effects["model"].astype(str).str.startswith("tiv").any()
    further = "site or head size" if has_heads else "site"
    figure = forest_figure(study)
    return named_figure("study.effects", "Effects", figure, why, more=more, further=further)


def _values(study: Study) -> NamedFigure:
    more, main = _left_out(panel_labels(study, study.measured.methods[:1])), study.measured.main
    figure, why = values_figure(study), f"No case has {one_of(main.name)}."
    filled, name = placeholders_of(main), main.table_name
    return named_figure(
        "study.volumes", filled["Plural"], figure, why, name=name, more=more, **filled
    )


def _ages(study: Study) -> NamedFigure:
    has_age = "age" in study.measured.covariates
    other = "The study has no curves." if has_age else "The cases have no known ages."
    reason = reasons_sentence(rows_of(study, "age")) or other
    count, filled = len(study.measured.methods), placeholders_of(study.measured.main)
    return named_figure(
        "study.ages",
        f"{filled['Plural']} over age",
        ages_figure(study),
        f"No curve over age could be fitted. {reason}",
        side_by_side=page_text("study.ages_side_by_side") if count > 1 else "",
        more=first_of(count, MOST_METHODS, "methods ") + _left_out(ages_labels(study)),
        **filled,
    )


def _single(study: Study) -> list[NamedFigure]:
    plural = study.measured.main.plural
    why = NOTHING_TO_COMPARE.format(plural)
    return [
        NamedFigure("scatter", f"Agreement of {plural}", why, None),
        NamedFigure("bland_altman", f"Differences of {plural}", why, None),
    ]


def _compared(study: Study) -> list[NamedFigure]:
    """Return the scatter and Bland–Altman figures of up to three pairs of methods."""
    more = first_of(len(study.measured.pairs), MOST_PAIRS, "pairs ")
    known = pairs(study.measured)
    return [make(study, pair, more) for pair in known for make in (_scatter, _bland_altman)]


def _scatter(study: Study, pair: tuple[str, str], more: str) -> NamedFigure:
    first, second = map(plain, pair)
    plural = study.measured.main.plural
    ours, theirs = (values_of(one, plural) for one in (second, first))
    title = f"{capital(ours)} against {theirs}"
    return named_figure(
        "study.scatter",
        f"Agreement of {plural}: {second} against {first}",
        scatter_figure(study, pair),
        f"No case has both {theirs} and {ours}.",
        name=pair_name(study.measured, pair, "scatter"),
        more=_left_out(panel_labels(study, pair)) + more,
        title=title,
        first=first,
        second=second,
    )


def _bland_altman(study: Study, pair: tuple[str, str], more: str) -> NamedFigure:
    first, second = map(plain, pair)
    rows = rows_of(study, "agreement", first=pair[0], second=pair[1], stratum="all")
    reason = reasons_sentence(rows) or "The study has no agreement of these two."
    return named_figure(
        "study.bland_altman",
        f"Differences of {study.measured.main.plural}: {second} − {first}",
        bland_altman_figure(study, pair),
        f"No bias could be estimated. {reason}",
        name=pair_name(study.measured, pair, "bland_altman"),
        more=_left_out(bland_altman_labels(study, pair)) + more,
        first=first,
        second=second,
    )


def _dice(study: Study) -> NamedFigure:
    labels = dice_labels(study)
    more = (
        f" The {len(labels.labels)} labels of the lowest median are shown; "
        "all others are in the tables."
        if labels.left_out
        else ""
    )
    return named_figure(
        "study.dice",
        "Overlap of masks",
        dice_figure(study),
        "No mask was scored against a reference, so there is no overlap to show.",
        more=more,
        most=MOST_NAMED,
        poor=POOR,
    )


def _failures(study: Study) -> NamedFigure:
    reason = reasons_sentence(rows_of(study, "failures")) or "The study has no table of failures."
    why = f"No failure rate could be stated. {reason}"
    return named_figure("study.failures", "Failures", failures_figure(study), why)


def _sites(study: Study) -> list[NamedFigure]:
    effects, known = sites_effects(study), study.measured.covariates
    count = int(known["site"].nunique()) if "site" in known else 0
    if not effects:
        single = ("The cases have no known sites.", "The cases come from one site.")
        why = single[count] if count < 2 else reasons_sentence(rows_of(study, "sites"))
        why = f"Sites are not compared. {why or 'The study has no effect by site.'}"
        return [NamedFigure("sites", "Sites", why, None)]
    figures, plural = [], study.measured.main.plural
    for which, (hypothesis, _) in enumerate(effects):
        effect = plain(hypothesis).replace("_", " ")
        more = first_of(count, MOST_SITES, "sites ")
        if which == MOST_EFFECTS - 1:
            more += " Further effects, if any, are in the table of sites."
        title, name = f"Sites: {effect}", sites_name(which)
        figure = sites_figure(study, which)
        figures.append(
            named_figure(
                "study.sites", title, figure, name=name, more=more, effect=effect, plural=plural
            )
        )
    return figures


def _left_out(labels: PanelLabels) -> str:
    if not labels.left_out:
        return ""
    return (
        f" Of {len(labels.labels) + labels.left_out} labels and regions the {len(labels.labels)} "
        "with the lowest agreement are shown; all others are in the tables."
    )
