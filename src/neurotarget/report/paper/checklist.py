"""The CLAIM checklist: items that a study fills in, and items that authors must add.

Items are those of the 2024 update, paraphrased; only their numbers are quoted. A function fills an
item in from the study, and returns "" where the study has nothing to state; the item is then one of
the authors'.

Source: Tejani et al. 2024, doi:10.1148/ryai.240300.
"""

from collections.abc import Callable

import pandas as pd

from neurotarget.report.sections.people_section import (
    missing_sentence,
    people_lines,
    tests_sentence,
)
from neurotarget.report.text.numbers import counted
from neurotarget.report.text.placeholders import placeholders_of
from neurotarget.report.text.sentences import cohort, headlines, part_counts, rows_of, values_of
from neurotarget.stats.cohort.people import SPLITS
from neurotarget.stats.study.results import Study

COLUMNS = ["item", "section", "topic", "filled_by", "text"]
STUDY, AUTHORS = "study", "authors"
Fill = Callable[[Study], str]


def claim_table(study: Study) -> pd.DataFrame:
    """Return one row per item of CLAIM; `filled_by` is the study, with its text, or the authors.

    Returns:
        Columns `item` (number of the 2024 update, from 1), `section`, `topic`, `filled_by` and
        `text`, which is "" for the authors' items.
    """
    rows = []
    for number, (section, topic, fill) in enumerate(ITEMS, start=1):
        text = fill(study) if fill else ""
        who = STUDY if text else AUTHORS
        rows.append((number, section, topic, who, text))
    return pd.DataFrame(rows, columns=COLUMNS)


def _fact(*names: str) -> Fill:
    def fill(study: Study) -> str:
        """Return the facts that the study has, each after its name."""
        return "; ".join(f"{name} {study.facts[name]}" for name in names if name in study.facts)

    return fill


def _see(table: str, text: str, value: str = "") -> Fill:
    """Fill in a text where the study has rows of a table, or some value in one of its columns."""

    def fill(study: Study) -> str:
        """Return the text, or "" where the study has no such rows."""
        rows = rows_of(study, table)
        is_there = len(rows) and (not value or rows[value].notna().any())
        return text if is_there else ""

    return fill


def _diagnostic(study: Study) -> str:
    """Name the tables on predicted classes and on group discrimination by volumes."""
    classes = "Predicted classes: study/discrimination.tsv, calibration.tsv, confusion.tsv."
    fills = (
        _see("discrimination", classes, "value"),
        _see("biomarkers", "AUC: study/biomarkers.tsv.", "auc"),
    )
    return " ".join(filter(None, (fill(study) for fill in fills)))


def _hypotheses(study: Study) -> str:
    target = study.measured.target
    models = [f"{one.name} ({' + '.join(one.terms)})" for one in target.hypotheses]
    return " ".join(filter(None, [target.question, "; ".join(models)]))


def _reference(study: Study) -> str:
    reference = study.measured.reference
    return f"Reference: {values_of(reference, study.measured.main.plural)}." if reference else ""


def _raters(study: Study) -> str:
    raters = study.measured.raters
    errors = rows_of(study, "ceiling")
    if not len(errors):
        return ""
    raters = raters or dict.fromkeys([*errors["first"], *errors["second"]])
    kinds = " and ".join(dict.fromkeys(errors["error"]))
    return f"{kinds.capitalize()} error ({', '.join(raters)}): study/ceiling.tsv."


def _disjoint(study: Study) -> str:
    return "Splits and folds are made by person." if "seed" in study.facts else ""


def _split(study: Study) -> str:
    people = rows_of(study, "people", characteristic="people")
    counts = [f"{int(row.n)} {row.part}" for row in people.itertuples() if row.part in SPLITS]
    split = f"people: {', '.join(counts)} (study/people.tsv)" if counts else ""
    return "; ".join(filter(None, [_fact("seed", "fold")(study), split]))


def _network(study: Study) -> str:
    return _fact("experiment", "model", "fold", "weights (SHA-256)")(study)


def _external(study: Study) -> str:
    parts = part_counts(study)
    return "; ".join(f"{n} {part} cases" for part, n in parts.items())


def _demographics(study: Study) -> str:
    lines = people_lines(study)
    return f"Table 1, study/people.tsv: {'; '.join(lines)}." if lines else ""


def _results(study: Study) -> str:
    return " ".join(headlines(study))


def _scores(study: Study) -> str:
    masks = placeholders_of(study.measured.main)["masks"]
    return f"Scores of {masks}: study/scores.tsv." if len(rows_of(study, "scores")) else ""


def _failures(study: Study) -> str:
    cases = rows_of(study, "failed_cases")
    n = cases["case_id"].nunique() if len(cases) else 0
    were = "was" if n == 1 else "were"
    return f"{counted(n, 'case')} failed or {were} flagged: study/failed_cases.tsv." if n else ""


def _statistics(study: Study) -> str:
    return f"{tests_sentence(study)} Statistics with sources: study/methods.md.".strip()


def _sample(study: Study) -> str:
    power = rows_of(study, "power")
    return "Power and people needed: study/power.tsv." if len(power) else ""


ROBUST = _see("sites", "Leave one site out: study/sites.tsv.", "estimate_without")
TITLE, INTRODUCTION, METHODS, RESULTS = "title and abstract", "introduction", "methods", "results"
DISCUSSION, OTHER = "discussion", "other information"
ITEMS: tuple[tuple[str, str, Fill | None], ...] = (
    (TITLE, "state that it is a study of AI, and of which kind", None),
    (TITLE, "structured summary", None),
    (INTRODUCTION, "background, intended use", None),
    (INTRODUCTION, "aims and hypotheses", _hypotheses),
    (METHODS, "prospective or retrospective", None),
    (METHODS, "goal of the study", lambda study: study.measured.target.question),
    (METHODS, "sources of data", cohort),
    (METHODS, "who was included and excluded", _see("flow", "Flow of cases: study/flow.tsv.")),
    (METHODS, "preprocessing", _fact("experiment", "data fingerprint")),
    (METHODS, "choice of parts of the data", None),
    (METHODS, "de-identification", None),
    (METHODS, "missing data", missing_sentence),
    (METHODS, "how images were acquired", None),
    (METHODS, "how the reference was made", _reference),
    (METHODS, "why this reference", None),
    (METHODS, "who annotated", None),
    (METHODS, "annotation of the test set", None),
    (METHODS, "variability between and within raters", _raters),
    (METHODS, "how cases were split", _split),
    (METHODS, "level at which splits are disjoint", _disjoint),
    (METHODS, "intended sample size of the test set", _sample),
    (METHODS, "the model", _network),
    (METHODS, "software", _fact("software", "commit")),
    (METHODS, "how weights began", None),
    (METHODS, "training", _fact("trained by", "training, s", "seed")),
    (METHODS, "how the final model was chosen", None),
    (METHODS, "ensembles", None),
    (METHODS, "measures of performance", _scores),
    (METHODS, "statistics and uncertainty", _statistics),
    (METHODS, "robustness", ROBUST),
    (METHODS, "explainability", None),
    (METHODS, "evaluation on internal data", _see("agreement", "study/agreement.tsv, all cases.")),
    (METHODS, "testing on external data", _external),
    (METHODS, "registration of the trial", None),
    (RESULTS, "numbers included and excluded", _see("flow", "study/flow.tsv and its figure.")),
    (RESULTS, "people of each part", _demographics),
    (RESULTS, "performance with uncertainty", _results),
    (RESULTS, "diagnostic performance", _diagnostic),
    (RESULTS, "failures", _failures),
    (DISCUSSION, "limitations", None),
    (DISCUSSION, "what follows for practice", None),
    (OTHER, "full protocol", None),
    (OTHER, "software, model and data to share", None),
    (OTHER, "funding", None),
)
