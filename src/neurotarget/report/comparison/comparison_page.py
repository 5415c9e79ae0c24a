"""The page of a comparison: the best arm, costs, and uncertainty.

Numbers are read from the tables of the comparison, and nothing is tested here. An arm that has not
learnt has a dash in place of its rank, and "different" means that
the tests over cases and over trainings agree.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from neurotarget.number_text import DASH, number
from neurotarget.report.comparison.arm_rows import Arm, arms_of, known, number_of
from neurotarget.report.comparison.differences_section import difference_sections
from neurotarget.report.comparison.discrimination_section import discrimination_section
from neurotarget.report.comparison.forest_figure import best_net, to_best
from neurotarget.report.comparison.parts_of_arms import parts_sections
from neurotarget.report.sections.plain_page import (
    Body,
    Grid,
    Head,
    Heading,
    PageFigure,
    Section,
    render_page,
)
from neurotarget.report.text.assets import page_text
from neurotarget.report.text.claims import target_noun
from neurotarget.report.text.definitions import Definition, known_definitions
from neurotarget.report.text.headed_tables import TableSpec, table_specs, value_texts
from neurotarget.report.text.learning_banner import arms_banner
from neurotarget.report.text.numbers import (
    amount,
    chance,
    counted,
    duration,
    energy,
    estimate,
    memory,
    operations,
)
from neurotarget.report.text.placeholders import main_of, placeholders_of
from neurotarget.report.text.sentences import as_sentence, capital, rows_of, title_of
from neurotarget.stats.arms.best_arm import FEW_TRAININGS
from neurotarget.stats.arms.comparison import Comparison
from neurotarget.stats.arms.main_score import labels_of
from neurotarget.stats.arms.paired import NOT_APART
from neurotarget.stats.cohort.learning import DOUBTFUL, NOT_LEARNT
from neurotarget.types import FAILED

SIZE_ERRORS = {
    "volume_error_abs_mm3": "volume error, mm³",
    "area_error_abs_mm2": "area error, mm²",
    "area_error_abs_px": "area error, px",
}
FIGURES_LEAD = "Click a point of a case to find its row in the tables."
REFERENCE = "reference"
DESIGN = {"n_folds": "fold", "n_seeds": "seed", "n_cases": "case", "n_subjects": "person"}
COLUMNS = (
    Heading("Place", "number"),
    Heading("Arm", "text"),
    Heading("{Score} [95 %]"),
    Heading("SD of seeds"),
    Heading("Chance to be best"),
    Heading("Different", "text"),
    Heading("ICC of {plural}"),
    Heading("Failed cases"),
)


COSTS = (
    ("parameters", "Parameters", amount),
    ("flops_per_step", "Operations of a step", operations),
    ("step_s", "Training step", duration),
    ("train_s", "Training", duration),
    ("peak_memory_mib", "Peak memory", memory),
    ("predict_s_per_case", "Prediction of a case", duration),
    ("energy_wh", "Energy of training", energy),
)
CHEAP = (("train_s", "trained"), ("predict_s_per_case", "predicts a case"))
EQUALLY_LONG = 1.05  # largest ratio of training times that count as equal


def compare_html(comparison: Comparison, figures: Sequence[PageFigure], *, title: str) -> str:
    """Return the page of a comparison as one HTML document.

    Args:
        comparison: tables, notes and facts of the arms.
        figures: in reading order; those without a picture show their reason.
        title: of the page.

    Returns:
        A self-contained page: sections on arms, differences, discrimination, cost, parts and
        conclusions, as far as their tables have rows; then figures, all tables for sorting, and
        notes.
    """
    texts = question(comparison), _design(comparison), comparison.sentence
    failed = Definition("Failed mask", as_sentence(FAILED), needs=("arms", "n_failed"))
    body = Body(
        figures,
        comparison.tables,
        comparison.notes,
        comparison.facts,
        specs=_specs(comparison),
        known=(*known_definitions("comparison", main_of(comparison.target)), failed),
        values={**value_texts(), **SIZE_ERRORS},
        figures_lead=FIGURES_LEAD,
    )
    makers = (
        _arms,
        difference_sections,
        discrimination_section,
        _costs,
        parts_sections,
        _conclusions,
    )
    sections = [section for make in makers for section in make(comparison)]
    head = Head(title, "Comparison", *texts, arms_banner(comparison))
    return render_page(head, body, sections, target=comparison.target.name)


def _specs(comparison: Comparison) -> dict[str, TableSpec]:
    """Return formats of the tables; columns of the table of arms contain names of labels."""
    specs = table_specs("comparison", main_of(comparison.target))
    by_label = {}
    metric, title = comparison.headline.metric, capital(comparison.headline.title)
    for label in labels_of(comparison.target, comparison.headline):
        by_label[f"{label}_{metric}"] = f"{title}, {label}"
        by_label[f"{label}_icc_a1"] = f"ICC(A,1), {label}"
    own, kinds = {metric: title}, dict.fromkeys(by_label, "number")
    arms, costs = specs["arms"], specs["costs"]
    return {
        **specs,
        "arms": replace(
            arms,
            value=metric,
            headings={**by_label, **own, **arms.headings},
            kinds={**kinds, **arms.kinds},
        ),
        "costs": replace(costs, value=metric, headings={**own, **costs.headings}),
    }


def question(comparison: Comparison) -> str:
    """Return the question of the comparison, by what differs between its arms.

    If the names of arms set nothing but `model`, it asks for the architecture, else for the
    settings.
    """
    keys = {
        part.partition("=")[0]
        for arm in arms_of(comparison)
        for part in arm.name.split(",")
        if "=" in part
    }
    what = "architecture is" if keys <= {"model"} else "of these settings is"
    return f"Which {what} best for the target {comparison.target.name.replace('_', ' ')}?"


def _design(comparison: Comparison) -> str:
    """State the numbers of arms, trainings and cases; ensembles and soups are not trained."""
    table = rows_of(comparison, "arms")
    if not len(table):
        return ""
    most = {key: int(table[key].max()) for key in DESIGN if known(table, key)}
    parts = [counted(len(table), "arm")]
    nets = table[table["kind"] == "net"]
    parts += [counted(int(nets["n_runs"].sum()), "training")] if known(nets, "n_runs") else []
    parts += [counted(most[key], name) for key, name in DESIGN.items() if key in most]
    return f"{', '.join(parts)}."


def _arms(comparison: Comparison) -> list[Section]:
    arms = arms_of(comparison)
    if not arms:
        return []
    table = rows_of(comparison, "arms")
    every = [str(key) for key in table if str(key).endswith("_icc_a1")]
    icc = "total_icc_a1" if "total_icc_a1" in every else next(iter(every), "")
    verdicts = {one.arm.name: one.verdict for one in to_best(comparison)}
    best = best_net(comparison)
    rows = [
        _row(arm, row, _verdict(arm, best, verdicts), icc, comparison.headline.metric)
        for arm, row in zip(arms, table.to_dict("records"), strict=True)
    ]
    filled = placeholders_of(main_of(comparison.target))
    filled = {**filled, "Score": capital(comparison.headline.title)}
    columns = [one._replace(text=one.text.format_map(filled)) for one in COLUMNS]
    if not icc:
        columns = [one for one in columns if not one.text.startswith("ICC")]
    lead = page_text("arms.lead", **filled)
    if not known(table, "p_best") and len(arms) > 1:
        lead += f" {as_sentence(FEW_TRAININGS)}"
    return [Section("arms", "Arms", lead, [Grid("Arms, best first", columns, rows)])]


def _costs(comparison: Comparison) -> list[Section]:
    """Return the section on the cost of each arm; none where no cost is known."""
    table, arms = rows_of(comparison, "arms"), arms_of(comparison)
    if not any(known(table, key) for key, *_ in COSTS):
        return []
    shown_costs = [cost for cost in COSTS if known(table, cost[0])]
    rows = [
        [_place(arm), arm.name, *(read(number_of(row, key)) for key, _, read in shown_costs)]
        for arm, row in zip(arms, table.to_dict("records"), strict=True)
    ]
    columns = [*COLUMNS[:2], *(Heading(name) for _, name, _ in shown_costs)]
    lead = page_text("arms.costs")
    grid = Grid("What the arms cost", columns, rows)
    return [Section("costs", "Cost", lead, [grid], _cheapest(comparison))]


def _row(arm: Arm, row: Mapping, verdict: str, icc: str, metric: str) -> list[str]:
    says_kind = arm.kind == "net" or arm.name.endswith(arm.kind)
    name = arm.name if says_kind else f"{arm.name} ({arm.kind})"
    name += f" ({arm.learnt})" if arm.learnt in (NOT_LEARNT, DOUBTFUL) else ""
    failed, scored = number_of(row, "n_failed"), number_of(row, "n_scored")
    return [
        _place(arm),
        name,
        estimate(row, metric, stem=metric, digits=3),
        number(number_of(row, "seed_sd"), 4),
        chance(number_of(row, "p_best")),
        verdict,
        *([number(number_of(row, icc), 3)] if icc else []),
        f"{failed:.0f} of {scored:.0f}" if math.isfinite(failed + scored) else DASH,
    ]


def _place(arm: Arm) -> str:
    return DASH if arm.learnt == NOT_LEARNT else str(arm.number)


def _verdict(arm: Arm, best: Arm | None, verdicts: Mapping[str, str]) -> str:
    if best is not None and arm.name == best.name:
        return "best net"
    return verdicts.get(arm.name) or DASH


def _cheapest(comparison: Comparison) -> list[str]:
    """Name the cheapest net among those that do not differ significantly from the best.

    It is cheapest in training, or in prediction if a time limit made training times equal.
    """
    best = best_net(comparison)
    table = rows_of(comparison, "arms")
    if best is None or "kind" not in table:
        return []
    tied = [best.name, *(one.arm.name for one in to_best(comparison) if one.verdict == NOT_APART)]
    nets = table[table["arm"].isin(tied) & (table["kind"] == "net")]
    for cost, act in CHEAP:
        seconds = nets[cost].astype(float).dropna() if cost in nets else nets.index[:0]
        if len(seconds) < 2 or seconds.max() <= EQUALLY_LONG * seconds.min():
            continue
        row = nets.loc[seconds.idxmin()]
        if row["arm"] == best.name:
            return [
                f"Of the {len(seconds)} nets that do not differ significantly, the best also "
                f"{act} the fastest ({duration(number_of(row, cost))})."
            ]
        than = table[table["arm"] == best.name].iloc[0]
        own, others = (amount(number_of(one, "parameters")) for one in (row, than))
        size = "as many parameters" if own == others else f"{own} parameters instead of {others}"
        return [
            f"Of the nets that do not differ significantly from the best, {row['arm']} {act} the "
            f"fastest: in {duration(number_of(row, cost))} instead of "
            f"{duration(number_of(than, cost))}, with {size}."
        ]
    return []


def _conclusions(comparison: Comparison) -> list[Section]:
    """Return verdicts of every arm over its seeds by hypothesis, the reference first."""
    rows = rows_of(comparison, "effects")
    if not len(rows):
        return []
    names, what = (
        list(dict.fromkeys(rows["hypothesis"].astype(str))),
        target_noun(comparison.target),
    )
    claims = rows.drop_duplicates("hypothesis").set_index("hypothesis")["claim"]
    arms = [REFERENCE, *(arm.name for arm in arms_of(comparison))]
    cells = [
        [_verdicts(rows[(rows["arm"] == arm) & (rows["hypothesis"] == name)]) for name in names]
        for arm in arms
    ]
    columns = [
        Heading(title_of(what), "text"),
        *(Heading(f"{title_of(name)} ({claims[name]})", "text") for name in names),
    ]
    rows = [[arm, *row] for arm, row in zip(arms, cells, strict=True) if any(row)]
    lead = page_text("arms.conclusions", what=what)
    grid = Grid("Verdicts of each arm", columns, rows)
    return [Section("conclusions", "Conclusions", lead, [grid])]


def _verdicts(rows: pd.DataFrame) -> str:
    counts = rows["verdict"].astype(str).value_counts()
    if len(counts) == 1:
        (verdict,) = counts.index
        return verdict if len(rows) == 1 else f"{verdict} ({len(rows)} of {len(rows)})"
    return ", ".join(f"{verdict} ({count} of {len(rows)})" for verdict, count in counts.items())
