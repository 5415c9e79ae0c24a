"""Methods and results as paragraphs for a paper, from the tables and definitions of the page.

The text describes the statistics in the tables by their definitions on the page, and formats
numbers by the same functions, so that page, text and tables cannot disagree.
"""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from neurotarget.hypothesis import Hypothesis
from neurotarget.report.paper.references import bibtex, first_source, references
from neurotarget.report.sections.outcome_sections import outcome_sentences
from neurotarget.report.sections.people_section import (
    change_sentences,
    limits_sentences,
    missing_sentence,
    people_lines,
    tests_sentence,
)
from neurotarget.report.sections.raters_section import ceiling_sentences
from neurotarget.report.text.assets import asset_table
from neurotarget.report.text.definitions import Definition, definitions, known_definitions
from neurotarget.report.text.numbers import listed
from neurotarget.report.text.placeholders import placeholders_of
from neurotarget.report.text.sentences import cohort, headlines, rows_of, title_of, values_of
from neurotarget.stats.effects.longitudinal import SLOPES
from neurotarget.stats.study.results import Study

CLAIM = ("Tejani 2024", "10.1148/ryai.240300")
CHANGE = (
    ("Laird and Ware 1982", "10.2307/2529876"),
    ("van de Pol and Wright 2009", "10.1016/j.anbehav.2008.11.006"),
)
CHECKS = ("Bland and Altman 1999", "10.1177/096228029900800204")
DEFINED = "Statistics, as they are defined here"  # heading of the last part
NETWORK = ("experiment", "model", "seed", "fold", "weights (SHA-256)", "commit", "trained by")


ABSOLUTE = re.compile(r"(?<![^=,])/[^,]+")  # a path: an argument, its value, or an item of a list


class Written(NamedTuple):
    """Markdown of the paragraphs, for `methods.md`, and BibTeX of their citations."""

    text: str
    references: str


def methods_text(study: Study) -> Written:
    """Write a paragraph of methods for each theme and one of results, with citations `[@key]`.

    Only statistics that the tables of the study contain are described and cited.
    """
    cited = [(one.source, one.doi) for one in _known(study) if one.source]
    cited += [*(CHANGE if len(rows_of(study, "longitudinal")) else ())]
    cited += [CHECKS] if len(rows_of(study, "assumptions")) else []
    entries = references([*cited, CLAIM])
    keys = {(one.source, one.doi): one.key for one in entries}
    key_of_doi = {one.doi: one.key for one in entries if one.doi}
    is_drawn = study.measured.main.is_of_masks
    made = "drew the masks" if is_drawn else "determined the reference"
    parts = [
        f"# Methods and results: {title_of(study.measured.target.name)}",
        "Written from this study; `references.bib` is in the same folder. Add what the "
        f"software cannot know: ethics, funding, acquisition, who {made}.",
        "## Methods",
        *filter(None, (_data(study), _network(study), _effects(study), _change(study, key_of_doi))),
        _statistics(study, keys),
        _checks(study, key_of_doi),
        _software(study),
        "## Results",
        *filter(None, (_people(study), *_findings(study))),
        f"## {DEFINED}",
        _definitions(study),
        f"Items of the checklist CLAIM [@{key_of_doi[CLAIM[1]]}] are in `claim.tsv`.",
    ]
    return Written("\n\n".join(part for part in parts if part) + "\n", bibtex(entries))


def _data(study: Study) -> str:
    target, covariates = study.measured.target, study.measured.covariates
    question = f" The question was: {target.question}" if target.question else ""
    raters = study.measured.raters
    more = f" Further masks were drawn by {listed(raters)}." if raters else ""
    repeats = len(covariates) - study.measured.subjects.nunique()
    once = " A person counts once in every interval and effect." if repeats else ""
    reference = study.measured.reference
    plural = study.measured.main.plural
    truth = f" Reference: {values_of(reference, plural)}." if reference else ""
    size = f" Head size is {study.facts['head size']}." if "head size" in study.facts else ""
    return f"{cohort(study)}{question}{truth}{more}{once}{size} {missing_sentence(study)}".strip()


def _network(study: Study) -> str:
    parts = [f"{name} {study.facts[name]}" for name in NETWORK if name in study.facts]
    if not parts:
        return ""
    reasons = " ".join(study.learning.reasons) if study.learning else ""
    masks = placeholders_of(study.measured.main)["masks"]
    return f"The {masks} are those of a network: {'; '.join(parts)}. {reasons}".strip()


def _effects(study: Study) -> str:
    hypotheses = study.measured.target.hypotheses
    if not hypotheses:
        return ""
    models = "; ".join(f"{item.name}: `{_formula(item)}`" for item in hypotheses)
    count = len(hypotheses)
    were = "One hypothesis was" if count == 1 else f"{count} hypotheses were"
    return f"{were} declared ({models}). {tests_sentence(study)}".strip()


def _formula(item: Hypothesis) -> str:
    left = f"{item.measure}[{item.label}]" if item.label else item.measure
    return f"{left} ~ {' + '.join(item.terms)}"


def _change(study: Study, keys: Mapping[str, str]) -> str:
    table = rows_of(study, "longitudinal")
    if not len(table):
        return ""
    random = "intercepts and slopes" if (table["terms"] == SLOPES).any() else "intercepts"
    laird, pol = (keys[doi] for _, doi in CHANGE)
    return (
        f"Change within people was separated from differences between them [@{pol}] by a mixed "
        f"model with random {random} of people [@{laird}], with intervals clustered by person."
    )


def _statistics(study: Study, keys: Mapping[tuple[str, str], str]) -> str:
    """Return a sentence with a citation on each statistic that the tables contain."""
    filled = placeholders_of(study.measured.main)
    known = {one.name: one for one in _known(study)}
    sources = {name: keys.get((first_source(one.source), one.doi)) for name, one in known.items()}
    cited = {name: f"[@{key}]" for name, key in sources.items() if key}
    texts = {name.format_map(filled): text for name, text in asset_table("methods").items()}
    return " ".join(
        text.format(cited[name], **filled) for name, text in texts.items() if name in cited
    )


def _known(study: Study) -> list[Definition]:
    """Return definitions of the statistics in the tables, in the words of the main quantity."""
    return definitions(study.tables, known_definitions("study", study.measured.main))


def _definitions(study: Study) -> str:
    """Return a bullet list of the statistics and their definitions."""
    return "\n".join(f"- {one.name}: {one.text}" for one in _known(study))


def _checks(study: Study, keys: Mapping[str, str]) -> str:
    if not len(rows_of(study, "assumptions")):
        return ""
    return (
        f"Whether differences of {study.measured.main.plural} are normal (Shapiro–Wilk) and of "
        "constant spread (Breusch–Pagan) was tested; limits of agreement of the ratio are given as "
        f"well [@{keys[CHECKS[1]]}]."
    )


def _software(study: Study) -> str:
    facts = study.facts
    parts = [facts["software"]] if "software" in facts else []
    parts += (
        [f"intervals were computed with seed {facts['study seed']}"]
        if "study seed" in facts
        else []
    )
    command = f" Command: `{short_command(facts['command'])}`." if "command" in facts else ""
    return f"Software: {'; '.join(parts)}.{command}" if parts else ""


def short_command(command: str) -> str:
    """Return a command without absolute paths: relative to the current folder, else file names.

    A paper must not name folders of a person's machine, which may contain names.
    """
    return shlex.join(ABSOLUTE.sub(_short_path, argument) for argument in shlex.split(command))


def _short_path(match: re.Match) -> str:
    path, folder = Path(match[0]), Path.cwd()
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else path.name


def _people(study: Study) -> str:
    lines = people_lines(study)
    if not lines:
        return ""
    text = f"{'; '.join(lines)}."
    has_more = any("±" in line or "%" in line for line in lines)
    return f"{text} Values are mean ± SD (range), or n (%)." if has_more else text


def _findings(study: Study) -> list[str]:
    parts = [*headlines(study), *change_sentences(study), *limits_sentences(study)]
    parts += [*ceiling_sentences(study), *outcome_sentences(study)]
    return [" ".join(parts), " ".join(study.notes)]
