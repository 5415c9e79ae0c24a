"""All figures of a comparison with captions, or the reason for a missing figure."""

from neurotarget.report.comparison.arm_rows import arms_of, known
from neurotarget.report.comparison.cost_figure import cost_figure, unknown_costs
from neurotarget.report.comparison.critical_difference import (
    critical_difference_figure,
    groups,
    ranked,
)
from neurotarget.report.comparison.forest_figure import best_net, differences_figure
from neurotarget.report.comparison.scores_figure import scores_figure
from neurotarget.report.comparison.seeds_figure import (
    effect_figure,
    hypotheses,
    icc_figure,
    icc_label,
)
from neurotarget.report.drawing.lettering import plain
from neurotarget.report.figures.named_figures import (
    NamedFigure,
    first_of,
    named_figure,
    reasons_sentence,
)
from neurotarget.report.text.claims import measure_noun
from neurotarget.report.text.numbers import counted
from neurotarget.report.text.placeholders import main_of
from neurotarget.report.text.sentences import capital, rows_of, title_of
from neurotarget.stats.arms.comparison import Comparison

MOST_HYPOTHESES = 6


def all_figures(comparison: Comparison) -> list[NamedFigure]:
    """Return every figure in reading order: ranks, scores, differences, cost, ICC, effects.

    A figure that cannot be drawn is an entry whose `figure` is None and whose caption is the
    reason, so that the page shows what is missing. There is no ICC where the target predicts
    probabilities, and each of the first six hypotheses has a figure of effects.

    Names of figures, which are also those of their files: ranks, the metric of the headline (such
    as dice), differences, costs, icc, and effects, effects_2 and so on.
    """
    texts = score_texts(comparison)
    scores, why = scores_figure(comparison), f"No arm has a {texts['score']} on any case."
    name = comparison.headline.metric
    return [
        _ranks(comparison),
        named_figure(
            "comparison.scores", f"{texts['Score']} of every arm", scores, why, name=name, **texts
        ),
        _differences(comparison),
        _costs(comparison),
        *([] if main_of(comparison.target).is_probability else [_icc(comparison)]),
        *_effects(comparison),
    ]


def score_texts(comparison: Comparison) -> dict[str, str]:
    """Return the words of captions for the score that orders the arms.

    Returns:
        `score` and `Score`, its title in a sentence and at its start; `worse`, the side of an axis
        with worse values (left or right); `corner`, the upper or lower corner of good and cheap
        arms.
    """
    score = comparison.headline
    sides = ("left", "upper") if score.is_higher_better else ("right", "lower")
    filled = {"score": score.title, "Score": capital(score.title)}
    return filled | dict(zip(("worse", "corner"), sides, strict=True))


def _ranks(comparison: Comparison) -> NamedFigure:
    texts = score_texts(comparison)
    more, arms = "", ranked(comparison)
    if not groups(arms):
        more += " Here all differ significantly, so there is no bar."
    if left_out := len(arms_of(comparison)) - len(arms):
        more += f" {counted(left_out, 'arm')} without ranks: made of nets, or not scored."
    why = _reasons(comparison, "ranks") or "There are no ranks of two arms."
    why = f"Arms could not be ranked. {why}"
    figure = critical_difference_figure(comparison)
    return named_figure("comparison.ranks", "Mean ranks", figure, why, more=more, **texts)


def _differences(comparison: Comparison) -> NamedFigure:
    is_single = len(arms_of(comparison)) == 1
    why = "There is one arm only." if is_single else "The comparison has no differences to it."
    why = _reasons(comparison, "differences") or why
    best, runs = best_net(comparison), rows_of(comparison, "variance", component="run")
    question = "which asks whether other trainings would give it, too"
    if not known(runs, "sd"):
        question = "which has one training of each arm and so asks about cases only, as well"
    return named_figure(
        "comparison.differences",
        "Differences to the best net",
        differences_figure(comparison),
        f"No difference could be estimated. {why}",
        best=plain(best.name) if best else "",
        question=question,
        **score_texts(comparison),
    )


def _costs(comparison: Comparison) -> NamedFigure:
    more, figure = "", cost_figure(comparison)
    if lacking := unknown_costs(comparison):
        arms = counted(lacking, "arm")
        more = f" Not all costs of {arms} are known; unknown ones are left out of their panels."
    why = "No cost is known to differ between arms."
    texts = score_texts(comparison)
    title = f"{texts['Score']} against cost"
    return named_figure("comparison.costs", title, figure, why, more=more, **texts)


def _icc(comparison: Comparison) -> NamedFigure:
    plural = main_of(comparison.target).plural
    why = _reasons(comparison, "agreement") or f"No arm has {plural} to compare."
    return named_figure(
        "comparison.icc",
        f"Agreement of {plural}",
        icc_figure(comparison),
        f"No agreement could be estimated. {why}",
        label=plain(icc_label(comparison)),
        plural=plural,
    )


def _effects(comparison: Comparison) -> list[NamedFigure]:
    names = hypotheses(comparison)
    if not names:
        return [NamedFigure("effects", "Effects", "No hypothesis was tested.", None)]
    figures = [_effect(comparison, *every) for every in enumerate(names[:MOST_HYPOTHESES], start=1)]
    more = first_of(len(names), MOST_HYPOTHESES, "hypotheses ")
    return [*figures[:-1], figures[-1]._replace(caption=figures[-1].caption + more)]


def _effect(comparison: Comparison, number: int, hypothesis: str) -> NamedFigure:
    name = "effects" if number == 1 else f"effects_{number}"
    rows = rows_of(comparison, "effects", hypothesis=hypothesis)
    nouns = {item.name: measure_noun(item) for item in comparison.target.hypotheses}
    return named_figure(
        "comparison.effects",
        f"Effect: {title_of(plain(hypothesis))}",
        effect_figure(comparison, hypothesis, name),
        f"The effect could not be estimated. {reasons_sentence(rows) or 'No estimate is known.'}",
        name=name,
        claim=plain(rows.iloc[0]["claim"]).rstrip("."),
        what=nouns.get(hypothesis, main_of(comparison.target).plural),
    )


def _reasons(comparison: Comparison, name: str) -> str:
    return reasons_sentence(rows_of(comparison, name))
