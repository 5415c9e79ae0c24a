"""The page of a survival study: people, models, another cohort, and the risk of a person."""

from collections.abc import Mapping, Sequence

import pandas as pd

from neurotarget.number_text import number
from neurotarget.report.figures.named_figures import NamedFigure, named_figure
from neurotarget.report.sections.plain_page import (
    Body,
    Grid,
    Head,
    PageFigure,
    Section,
    headings,
    render_page,
)
from neurotarget.report.survival.hazards_figure import hazards_figure
from neurotarget.report.survival.risk_figures import decision_figure, risk_calibration_figure
from neurotarget.report.survival.survival_curves import curves_figure
from neurotarget.report.survival.survival_sentences import (
    answer,
    cohort_sentence,
    median_sentence,
    optimism_sentence,
    proportional_sentence,
    set_name,
    transport_sentence,
)
from neurotarget.report.text.assets import page_text
from neurotarget.report.text.definitions import known_definitions
from neurotarget.report.text.headed_tables import table_specs
from neurotarget.report.text.numbers import estimate, p_equals
from neurotarget.stats.survival.survival_study import IMAGE, SurvivalStudy

QUESTION = "Which terms are associated with survival, and how well do they predict it?"
QUESTION_OF_IMAGES = "Do images tell more about survival than clinical terms do?"
GROUPS = {"group": "Survival by group", "thirds": "Survival by thirds of held-out risk"}
NAMES = {
    "c": "C",
    "c_pooled": "C, all pairs",
    "c_uno": "Uno’s C",
    "c_apparent": "C on the training people",
    "optimism": "optimism of C",
}


def survival_figures(study: SurvivalStudy) -> list[NamedFigure]:
    """Return curves, forest, calibration and decision curves, or reasons for missing figures.

    A figure that cannot be drawn is an entry whose `figure` is None and whose caption is the
    reason.

    Curves are of all people, of the groups that the user asked for, and of thirds of held-out risk.
    """
    everyone = (study.cohort.event * 0).astype(int)
    figures = [
        named_figure("survival.curve", "Survival of all",
                     curves_figure("curve", study.cohort, everyone, ["all"]), name="curve")
    ]  # fmt: skip
    for name, (codes, names) in study.groups.items():
        drawn = curves_figure(f"curve_{name}", study.cohort, codes, names)
        figures.append(named_figure(f"survival.{name}", GROUPS[name], drawn, name=f"curve_{name}",
                                    more=_test(study, name)))  # fmt: skip
    terms = study.lead.terms if study.lead else next(iter(study.cohort.sets))
    why = "Nothing could be fitted."
    no_risk = "There is no model that predicts risks, or no horizon with enough people."
    return [
        *figures,
        named_figure("survival.hazards", f"Hazards of the {set_name(terms)} terms",
                     hazards_figure(study.tables["hazards"], terms), why),
        named_figure("survival.risk_calibration", "Calibration of held-out risks",
                     risk_calibration_figure(study), no_risk),
        named_figure("survival.decision_curves", "Decision curves of held-out risks",
                     decision_figure(study), no_risk),
    ]  # fmt: skip


def survival_html(
    study: SurvivalStudy,
    figures: Sequence[PageFigure],
    left_out: Mapping[str, Mapping[str, int]],
    *,
    title: str,
    notes: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
) -> str:
    """Return the page as one HTML document.

    Args:
        study: tables, notes and results.
        figures: in reading order.
        left_out: counts of people by reason, for each table; the study's own table is first.
        title: of the page.
        notes: further sentences for the foot.
        facts: origin of the numbers, by name.

    Returns:
        A self-contained page: who was left out, models, another cohort, and the risk of a person,
        then figures, tables and notes.
    """
    question = QUESTION_OF_IMAGES if IMAGE in study.cohort.sets else QUESTION
    here = next(iter(left_out.values()), {})
    head = Head(title, "Survival", question, cohort_sentence(study, here), answer(study))
    tables = {name: table for name, table in study.tables.items()
              if name != "calibration_groups"}  # fmt: skip
    body = Body(
        figures,
        tables,
        [*study.notes, *notes],
        dict(facts or {}),
        specs=table_specs("survival"),
        known=known_definitions("survival"),
        values=NAMES | {f"{kind}_{month:g}m": f"{text} at {month:g} months"
                        for kind, text in (("auc", "AUC"), ("brier", "Brier score"))
                        for month in study.plan.horizons_months},
    )  # fmt: skip
    sections = [*_who(study, left_out), *_models(study), *_transport(study), _person()]
    return render_page(head, body, sections, target="survival")


def _test(study: SurvivalStudy, name: str) -> str:
    table = study.tables["tests"]
    rows = table[table["groups"] == name].to_dict("records") if len(table) else []
    return "".join(f" Log-rank test: χ² = {number(row['chi2'], 1)}, {p_equals(row['p'])}."
                   for row in rows)  # fmt: skip


def _who(study: SurvivalStudy, left_out: Mapping[str, Mapping[str, int]]) -> list[Section]:
    rows = [[reason, name, str(count)] for name, reasons in left_out.items()
            for reason, count in reasons.items()]  # fmt: skip
    grids = []
    if rows:
        columns = [*headings(["Reason", "Table"]), *headings([], ["People"])]
        grids = [Grid("Who was left out, and why", columns, rows)]
    return [Section("people", "People", median_sentence(study), grids)]


def _models(study: SurvivalStudy) -> list[Section]:
    table = study.tables["scores"]
    known = list(dict.fromkeys(table["statistic"]))
    shown = [one for one in known if one == "c" or one.startswith("auc")]
    names = [_name(one) for one in shown]
    rows = []
    for (terms, model), part in table.groupby(["terms", "model"], sort=False):
        by_name = {row["statistic"]: row for row in part.to_dict("records")}
        cells = [estimate(by_name.get(one, {}), digits=3) for one in shown]
        rows.append([f"{set_name(terms)}, {model}", *cells])
    columns = headings(["Terms and model"], names)
    grids = [Grid("Scores on held-out people", columns, rows), *_gains(study, shown)]
    after = [optimism_sentence(study), proportional_sentence(study)]
    lead = page_text("survival.models", matters=f"{study.settings.matters:g}", how=_how(study))
    return [Section("models", "Models", lead, grids, [one for one in after if one])]


def _how(study: SurvivalStudy) -> str:
    if study.settings.folds == 0:
        return "leaving one person out at a time"
    repeats, folds = study.plan.fold.shape[0], int(study.plan.fold.max()) + 1
    return f"in {folds} folds, drawn {repeats} times"


def _gains(study: SurvivalStudy, shown: Sequence[str]) -> list[Grid]:
    table = study.tables["differences"]
    if not len(table):
        return []
    rows = []
    for (terms, against), part in table.groupby(["terms", "against"], sort=False):
        by_name = {row["statistic"]: row for row in part.to_dict("records")}
        cells = [estimate(by_name.get(one, {}), "difference", digits=3, sign=True)
                 for one in shown]  # fmt: skip
        rows.append([f"{set_name(terms)} − {against}", *cells, by_name["c"]["verdict"]])
    columns = headings(["Difference"], [_name(one) for one in shown], ["Verdict on C"])
    return [Grid("Paired differences", columns, rows)]


def _transport(study: SurvivalStudy) -> list[Section]:
    if study.other is None:
        return []
    table: pd.DataFrame = study.tables["transport_calibration"]
    rows = [
        [str(row["terms"]), f"{row['months']:g}", estimate(row, "observed", stem="observed"),
         number(row["expected"], 3), number(row["ratio"], 2), estimate(row, "slope", stem="slope")]
        for row in table.to_dict("records")
    ]  # fmt: skip
    columns = headings(["Terms", "Months"], ["Observed risk", "Predicted risk", "Ratio", "Slope"])
    grids = [Grid("Calibration in the other cohort", columns, rows)] if rows else []
    return [Section("transport", "Another cohort", transport_sentence(study), grids)]


def _person() -> Section:
    return Section("person", "Risk of a person", page_text("survival.person"))


def _name(statistic: str) -> str:
    kind, _, month = statistic.partition("_")
    if statistic in NAMES:
        return NAMES[statistic]
    return f"{'AUC' if kind == 'auc' else 'Brier'}, {month.removesuffix('m')} months"
