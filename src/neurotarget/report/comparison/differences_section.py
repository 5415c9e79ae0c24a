"""Section with the difference of each arm to the best net, in the headline and further scores."""

import math

from neurotarget.number_text import DASH, digits_for
from neurotarget.report.comparison.arm_rows import arms_of, known
from neurotarget.report.comparison.forest_figure import Difference, best_net, to_best
from neurotarget.report.sections.plain_page import Grid, Section, headings
from neurotarget.report.text.assets import page_text
from neurotarget.report.text.numbers import estimate, p_value
from neurotarget.report.text.placeholders import main_of, placeholders_of
from neurotarget.report.text.sentences import rows_of
from neurotarget.stats.arms.comparison import Comparison
from neurotarget.stats.arms.main_score import DICE_HEADLINE
from neurotarget.stats.arms.paired import APART, NOT_APART

SCORES = {
    "dice": "Dice",
    "volume_error_abs_mm3": "volume error, mm³ (less is better)",
    "surface_dice": "surface Dice",
    "hd95_mm": "HD95, mm (less is better)",
    "area_error_abs_mm2": "area error, mm² (less is better)",
    "area_error_abs_px": "area error, px (less is better)",
    "hd95_px": "HD95, px (less is better)",
    "brier": "Brier score (less is better)",
    "log_loss": "log loss, nats (less is better)",
    "error_abs": "absolute error (less is better)",
}
DIGITS = dict.fromkeys(("dice", "surface_dice", "brier", "log_loss"), 3)
COLUMNS = headings(["Arm", "Score"], ["Difference [95 %]", "p (Holm)"], ["Different"])


def difference_sections(comparison: Comparison) -> list[Section]:
    """Return the section on differences to the best net, as a list of one, or none.

    Intervals are those of the mixed model over trainings where arms were trained several times, and
    of the bootstrap over cases otherwise; p is the larger of both, after Holm's correction.

    It reads the table `differences`; every metric in it has its own rows, by default Dice and
    further scores of masks.
    """
    table = rows_of(comparison, "differences")
    if "metric" not in table:
        return []
    by_metric = {metric: to_best(comparison, metric) for metric in table["metric"].unique()}
    rows = [
        [one.arm.name, SCORES.get(metric, metric), *_cells(one, metric)]
        for arm in arms_of(comparison)
        for metric, differences in by_metric.items()
        for one in differences
        if one.arm.name == arm.name
    ]
    if not rows:
        return []
    is_tested = any(_is_tested(one) for every in by_metric.values() for one in every)
    score = comparison.headline
    keys = [
        "lead_of_masks" if score == DICE_HEADLINE else "lead",
        "by_trainings" if is_tested else "by_cases",
    ]
    arms = rows_of(comparison, "arms")
    if is_tested and known(arms, "n_folds") and arms["n_folds"].max() > 1:
        keys.append("shared")
    filled = {**placeholders_of(main_of(comparison.target)), "score": score.title}
    lead = " ".join(page_text(f"differences.{key}", **filled) for key in keys)
    heading = f"Each arm minus {best_net(comparison).name}"
    return [Section("differences", heading, lead, [Grid("Differences to the best", COLUMNS, rows)])]


def _is_tested(one: Difference) -> bool:
    return one.verdict in (APART, NOT_APART)


def _cells(one: Difference, metric: str) -> list[str]:
    by_cases, by_model = one.by
    is_tested = _is_tested(one) and math.isfinite(by_model.low)
    shown = by_model if is_tested else by_cases
    digits = DIGITS.get(metric, digits_for(*shown[:3]))
    p = max(by_cases.p, by_model.p) if is_tested else math.nan
    return [
        estimate(shown._asdict(), "value", digits=digits, sign=True),
        p_value(p),
        one.verdict or DASH,
    ]
