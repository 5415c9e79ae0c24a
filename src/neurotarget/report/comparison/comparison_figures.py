"""All figures of a comparison with captions, or the reason for a missing figure."""

from neurotarget.report.comparison.arm_rows import arms_of, known
from neurotarget.report.comparison.cost_figure import cost_figure, unknown_costs
from neurotarget.report.comparison.critical_difference import (
    critical_difference_figure,
    groups,
    ranked,
)
from neurotarget.report.comparison.dice_figure import dice_arms_figure
from neurotarget.report.comparison.forest_figure import best_net, differences_figure
from neurotarget.report.comparison.seeds_figure import (
    effect_figure,
    hypotheses,
    icc_figure,
    icc_label,
)
from neurotarget.report.drawing.lettering import plain
from neurotarget.report.figures.study_figures import NamedFigure, reasons_sentence
from neurotarget.report.text.claims import VOLUMES, asked_of
from neurotarget.report.text.sentences import counted, rows_of, title_of
from neurotarget.stats.arms.comparison import Comparison

MOST_HYPOTHESES = 6
SEEDS = "Each line is one seed, the first at the top: a marker with its 95 % confidence interval."
UNTESTED = "Arms that were trained once cannot be tested so: another training may turn them round. "
BRACKETS = "Square brackets hold 95 % confidence intervals."


def all_figures(comparison: Comparison) -> list[NamedFigure]:
    """Return every figure in reading order: ranks, Dice, differences, cost, agreement, effects."""
    return [
        _ranks(comparison),
        _dice(comparison),
        _differences(comparison),
        _costs(comparison),
        _icc(comparison),
        *_effects(comparison),
    ]


def _ranks(comparison: Comparison) -> NamedFigure:
    title, figure = "Mean ranks", critical_difference_figure(comparison)
    if figure is None:
        why = _reasons(comparison, "ranks") or "There are no ranks of two arms."
        return NamedFigure("ranks", title, f"Arms could not be ranked. {why}", None)
    caption = (
        "On each case the nets are ranked by Dice, 1 is the best; their mean ranks stand on the "
        "axis and, in grey, beside their names (critical difference diagram). Bars join, by dots, "
        "nets of which no two can be told apart. Mean ranks that lie further apart "
        "than the critical difference differ by ranks alone (Nemenyi's test), which takes the "
        "trainings as they are. The number before a "
        "name is the arm's place by mean Dice, the same in all figures."
    )
    if not groups(ranked(comparison)):
        caption += " Here all can be told apart, so there is no bar."
    if left_out := len(arms_of(comparison)) - len(ranked(comparison)):
        caption += f" {counted(left_out, 'arm')} without ranks: made of nets, or not scored."
    return NamedFigure("ranks", title, caption, figure)


def _dice(comparison: Comparison) -> NamedFigure:
    title, figure = "Dice of every arm", dice_arms_figure(comparison)
    if figure is None:
        return NamedFigure("dice", title, "No arm has a Dice on any case.", None)
    caption = (
        "Dice of every case, averaged over labels and seeds. A point is a case and leads to its "
        "row in the tables; the thick line is the median and the grey box the middle half of the "
        "cases. Below stands the mean over cases with its 95 % confidence interval, which takes "
        "the trainings as they are, and, as upright strokes, the mean of each seed: what another "
        f"random start alone would change. {BRACKETS} The seed SD is the standard deviation "
        "between the seeds of one fold."
    )
    return NamedFigure("dice", title, caption, figure)


def _differences(comparison: Comparison) -> NamedFigure:
    title, figure = "Differences to the best net", differences_figure(comparison)
    if figure is None:
        alone = len(arms_of(comparison)) == 1
        why = "There is one arm only." if alone else "The comparison has no differences to it."
        why = _reasons(comparison, "differences") or why
        return NamedFigure("differences", title, f"No difference could be estimated. {why}", None)
    caption = (
        f"Dice of each arm minus that of {plain(best_net(comparison).name)}, on the same cases; "
        "left of the dotted line an arm is worse. The round marker is the mean difference with its "
        "bootstrap interval over subjects, and Wilcoxon's p: would the result hold for other "
        "cases? The square is the difference by a mixed model, "
        f"{_model_question(comparison)}. Filled markers: told apart, as both p values are below "
        "0.05 after Holm's correction for the number of pairs and both tests point to the same "
        f"arm. {UNTESTED}{BRACKETS}"
    )
    return NamedFigure("differences", title, caption, figure)


def _model_question(comparison: Comparison) -> str:
    """Phrase for the question of the mixed model, which depends on the number of trainings."""
    runs = rows_of(comparison, "variance", component="run")
    if not known(runs, "sd"):
        return "which knows one training of each arm and so asks for the cases alone as well"
    return "which asks whether other trainings would, too"


def _costs(comparison: Comparison) -> NamedFigure:
    title, figure = "Dice against cost", cost_figure(comparison)
    if figure is None:
        return NamedFigure("costs", title, "No cost is known to differ between arms.", None)
    caption = (
        "What an arm costs and what it brings: upper left is best. The upright line is the 95 % "
        "confidence interval of the mean Dice. Arms are named by their numbers, below. Times hold "
        "for the hardware that is named at the end of the page."
    )
    if lacking := unknown_costs(comparison):
        arms = counted(lacking, "arm")
        caption += f" Not all costs of {arms} are known; unknown ones are left out of their panels."
    return NamedFigure("costs", title, caption, figure)


def _icc(comparison: Comparison) -> NamedFigure:
    title, figure = "Agreement of volumes", icc_figure(comparison)
    if figure is None:
        why = _reasons(comparison, "agreement") or "No arm has volumes to compare."
        return NamedFigure("icc", title, f"No agreement could be estimated. {why}", None)
    caption = (
        f"How well the volumes ({plain(icc_label(comparison))}) agree with the reference's: "
        "ICC(A,1), the intraclass correlation of absolute agreement; 1 is perfect, a constant "
        f"error lowers it. {SEEDS} {BRACKETS}"
    )
    return NamedFigure("icc", title, caption, figure)


def _effects(comparison: Comparison) -> list[NamedFigure]:
    names = hypotheses(comparison)
    if not names:
        why = "No hypothesis was tested."
        return [NamedFigure("effects", "Effects", why, None)]
    found = [_effect(comparison, *every) for every in enumerate(names[:MOST_HYPOTHESES], start=1)]
    if len(names) > MOST_HYPOTHESES:
        more = f" The first {MOST_HYPOTHESES} of {len(names)} hypotheses are shown."
        found[-1] = found[-1]._replace(caption=found[-1].caption + more)
    return found


def _effect(comparison: Comparison, number: int, hypothesis: str) -> NamedFigure:
    name = "effects" if number == 1 else f"effects_{number}"
    title = f"Effect: {title_of(plain(hypothesis))}"
    figure = effect_figure(comparison, hypothesis, name)
    rows = rows_of(comparison, "effects", hypothesis=hypothesis)
    if figure is None:
        why = reasons_sentence(rows) or "No estimate is known."
        return NamedFigure(name, title, f"The effect could not be estimated. {why}", None)
    claim = plain(rows.iloc[0]["claim"]).rstrip(".")
    known = {item.name: asked_of(item) for item in comparison.target.hypotheses}
    what = known.get(hypothesis, VOLUMES)
    caption = (
        f"The effect ({claim}) on the reference {what}, whose estimate is the upright line and "
        f"whose interval is the grey band, and on those of each arm. {SEEDS} The dotted line is no "
        f"effect. {BRACKETS}"
    )
    return NamedFigure(name, title, caption, figure)


def _reasons(comparison: Comparison, name: str) -> str:
    return reasons_sentence(rows_of(comparison, name))
