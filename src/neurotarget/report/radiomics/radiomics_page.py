"""The page of a radiomics study: people, models, self-tests, another cohort, text for a paper."""

from collections.abc import Mapping, Sequence

from neurotarget.number_text import number
from neurotarget.report.figures.named_figures import NamedFigure, named_figure
from neurotarget.report.radiomics.radiomics_checklists import checklist_sentences
from neurotarget.report.radiomics.radiomics_figures import (
    benefit_figure,
    chosen_figure,
    learning_figure,
    number_figure,
    probability_figure,
    scores_figure_of,
    shap_figure,
)
from neurotarget.report.radiomics.radiomics_sentences import (
    claims_sentence,
    leakage_sentence,
    other_cohort_sentence,
    permutation_sentence,
    radiomics_answer,
    radiomics_people,
    score_name,
    stability_sentence,
)
from neurotarget.report.sections.plain_page import (
    Body,
    Grid,
    Head,
    PageFigure,
    Section,
    headings,
    render_page,
)
from neurotarget.report.survival.survival_sentences import set_name
from neurotarget.report.text.assets import page_text
from neurotarget.report.text.definitions import known_definitions
from neurotarget.report.text.headed_tables import table_specs
from neurotarget.report.text.numbers import estimate
from neurotarget.stats.radiomics.radiomics_study import RadiomicsStudy

QUESTION = "Do features of the images predict the outcome, and do they add to clinical terms?"
VALUES = {
    "auc": "AUC",
    "auc_pooled": "AUC, all pairs",
    "auc_fold_mean": "AUC, mean of folds",
    "auc_fold_sd": "AUC, SD of folds",
    "auc_apparent": "AUC on the training people",
    "c": "C",
    "c_pooled": "C, all pairs",
    "c_fold_mean": "C, mean of folds",
    "c_fold_sd": "C, SD of folds",
    "c_apparent": "C on the training people",
    "outside": "features chosen outside the folds",
    "inside": "features chosen inside the folds",
    "stability": "stability of selection",
    "r2": "R²",
    "mae": "mean absolute error",
    "slope": "slope of the line",
    "intercept": "intercept of the line",
}


def radiomics_figures(study: RadiomicsStudy) -> list[NamedFigure]:
    """Return the figures with captions, or why one is left out.

    That of predicted numbers is present only if the outcome is a number, and that of SHAP values if
    the package `shap` is installed.
    """
    no_probability = (
        "Only classes have probabilities; risks by a day are in `neurotarget survival`."
    )
    numbers = [named_figure("radiomics.predicted_numbers", "Numbers of people left out",
                            number_figure(study), "No model could be fitted.")
               ] if study.material.outcome.is_number else []  # fmt: skip
    explained = [named_figure("radiomics.shap_values", "What the model uses",
                              shap_figure(study), "No model could be fitted.")
                 ] if "shap" in study.tables else []  # fmt: skip
    return [
        *numbers,
        named_figure("radiomics.radiomic_scores", f"{score_name(study)} of people left out",
                     scores_figure_of(study), "No model could be fitted."),
        named_figure("radiomics.probability_calibration", "Calibration of people left out",
                     probability_figure(study), no_probability),
        named_figure("radiomics.net_benefit", "Decision curves of people left out",
                     benefit_figure(study), no_probability),
        named_figure("radiomics.learning_curve", "Learning curve", learning_figure(study),
                     "Too few people for a curve."),
        named_figure("radiomics.chosen_features", "Features that the models chose",
                     chosen_figure(study), "No model chose an image feature."),
        *explained,
    ]  # fmt: skip


def radiomics_html(
    study: RadiomicsStudy,
    figures: Sequence[PageFigure],
    left_out: Mapping[str, Mapping[str, int]],
    *,
    notes: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
    methods: str = "",
) -> str:
    """Return the page as one HTML document.

    Args:
        study: tables, notes and results.
        figures: in reading order.
        left_out: counts of people by reason, for each table that was read.
        notes: further sentences for the foot.
        facts: origin of the numbers, by name.
        methods: paragraph of what was done; without it the section for a paper is absent.

    Returns:
        A self-contained page: who was left out, models, self-tests, another cohort, and the
        paragraph for a paper with the checklists, as far as they exist; then figures, tables and
        notes.
    """
    head = Head("Radiomics", "Radiomics", QUESTION, radiomics_people(study),
                radiomics_answer(study))  # fmt: skip
    hidden = ("calibration_bins", "stability")
    body = Body(
        figures,
        {name: table for name, table in study.tables.items() if name not in hidden},
        [*study.notes, *notes],
        dict(facts or {}),
        specs=table_specs("radiomics"),
        known=known_definitions("radiomics"),
        values=VALUES,
    )
    sections = [*_left_out(left_out), _models(study), _checks(study), *_other(study)]
    sections += _paper(study, methods)
    return render_page(head, body, sections, target="radiomics")


def _left_out(left_out: Mapping[str, Mapping[str, int]]) -> list[Section]:
    rows = [[reason, name, str(count)] for name, reasons in left_out.items()
            for reason, count in reasons.items()]  # fmt: skip
    if not rows:
        return []
    columns = [*headings(["Reason", "Table"]), *headings([], ["Rows"])]
    grid = Grid("Who was left out, and why", columns, rows)
    return [Section("people", "People", "", [grid])]


def _models(study: RadiomicsStudy) -> Section:
    name, table = score_name(study), study.tables["scores"]
    shown = [study.statistic, *(f"{study.statistic}_{kind}" for kind in ("fold_mean", "fold_sd",
                                                                         "apparent"))]  # fmt: skip
    rows = []
    for terms, part in table.groupby("terms", sort=False):
        by_name = {row["statistic"]: row for row in part.to_dict("records")}
        rows.append([set_name(str(terms)),
                     *(estimate(by_name.get(one, {}), digits=3) for one in shown)])  # fmt: skip
    columns = headings(["Terms"], [f"{name} [95 %]", "Mean of folds", "SD of folds", "Apparent"])
    grids = [Grid("Scores of people left out", columns, rows)]
    if len(gains := study.tables["differences"]):
        rows = [
            [f"{set_name(row['terms'])} − {row['against']}",
             estimate(row, "difference", digits=3, sign=True), row["verdict"]]
            for row in gains.to_dict("records")
        ]  # fmt: skip
        columns = headings(["Difference"], [f"{name} [95 %]"], ["Verdict"])
        grids.append(Grid("Paired differences", columns, rows))
    lead = page_text("radiomics.models", matters=f"{study.settings.matters:g}", how=_how(study))
    return Section("models", "Models", lead, grids)


def _how(study: RadiomicsStudy) -> str:
    if study.settings.by_site:
        return "leaving one site out at a time"
    repeats, folds = study.fold.shape[0], int(study.fold.max()) + 1
    return f"in {folds} folds, drawn {repeats} times"


def _checks(study: RadiomicsStudy) -> Section:
    kinds = (claims_sentence, permutation_sentence, leakage_sentence, stability_sentence)
    after = [one for one in (kind(study) for kind in kinds) if one]
    return Section("checks", "Self-tests", page_text("radiomics.checks"), after=after)


def _other(study: RadiomicsStudy) -> list[Section]:
    table = study.tables.get("transport")
    if table is None or not len(table):
        return []
    rows = []
    for row in table.to_dict("records"):
        cells = [estimate(row, digits=3)]
        if "slope" in row:
            cells += [estimate(row, "slope", stem="slope", digits=2),
                      number(row["expected_observed"], 2), number(row["brier"], 3)]  # fmt: skip
        rows.append([set_name(str(row["terms"])), *cells])
    names = [f"{score_name(study)} [95 %]", "Slope", "Expected : observed", "Brier score"]
    columns = headings(["Terms"], names[: len(rows[0]) - 1])
    grid = Grid("Models of all people here in the other cohort", columns, rows)
    return [Section("transport", "Another cohort", other_cohort_sentence(study), [grid])]


def _paper(study: RadiomicsStudy, methods: str) -> list[Section]:
    """The paragraph for a paper, and how far the checklists are filled in."""
    if not methods:
        return []
    after = [page_text("radiomics.checklists")]
    findings = checklist_sentences(study.tables["metrics"], study.tables["clear"])
    return [Section("paper", "For a paper", methods, after=after, findings=findings)]
