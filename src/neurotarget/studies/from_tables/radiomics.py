"""Radiomics studies from tables: read people and features, compare models, write the report.

All people are those with the outcome and every clinical term, so that all sets of terms are
compared on the same people; gaps of features are filled in training folds. People whose features
are all equal count as one person under two ids, and share their folds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from neurotarget.data.tables.class_outcome import read_classes
from neurotarget.data.tables.follow_up import FollowUp, read_follow_up
from neurotarget.data.tables.image_columns import feature_values, image_columns
from neurotarget.data.tables.known_outcomes import OutcomeRows
from neurotarget.data.tables.model_terms import Term, design, missing_terms, parse_terms
from neurotarget.data.tables.number_outcome import read_numbers
from neurotarget.data.tables.table_ids import find_column, required_column
from neurotarget.data.tables.text_table import is_missing
from neurotarget.files.ownership import claim
from neurotarget.files.writing import check_writable, write_text
from neurotarget.levels import level
from neurotarget.problems import DataError, error, some
from neurotarget.report.radiomics.radiomics_checklists import clear_table, metrics_table
from neurotarget.report.radiomics.radiomics_methods import (
    Extraction,
    Robustness,
    methods_paragraph,
    study_sentences,
)
from neurotarget.report.radiomics.radiomics_page import radiomics_figures, radiomics_html
from neurotarget.report.radiomics.radiomics_sentences import radiomics_headlines
from neurotarget.stats.core.resample import codes
from neurotarget.stats.radiomics.radiomic_arms import Material
from neurotarget.stats.radiomics.radiomics_outcome import Outcome
from neurotarget.stats.radiomics.radiomics_study import (
    RadiomicSettings,
    RadiomicsStudy,
    analyse_radiomics,
)
from neurotarget.studies.from_tables.radiomic_question import Radiomics
from neurotarget.studies.from_tables.robust_features import Robust, robust_features
from neurotarget.studies.from_tables.written_tables import (
    OVERLAP,
    WrittenTables,
    in_both,
    reasons_of,
    write_tables,
)
from neurotarget.studies.study_folder import software

FEWEST_PEOPLE, FEWEST_OF_CLASS = 20, 6
MOST_GAPS = 0.2  # a feature that more people lack is left out
FEWEST_OF_SITE = 5
FEWEST_EQUAL = 3  # features; people who have fewer may be equal by accident
EQUAL = "all features equal to those of someone whom the models were fitted to"

People = FollowUp | OutcomeRows

WrittenRadiomics = WrittenTables[RadiomicsStudy]


class _Read(NamedTuple):
    people: People
    material: Material
    sites: list[str]
    notes: list[str]
    robust: Robust | None = None


def make_radiomics(
    table: Path,
    asked: Radiomics,
    settings: RadiomicSettings,
    output: Path,
    *,
    overwrite: bool = False,
    command: str = "",
    notes: Sequence[str] = (),
    extraction: Extraction | None = None,
) -> WrittenRadiomics:
    """Read people and features, fit and compare models, and write tables, figures, report.html.

    Args:
        table: of the user, one row per person.
        asked: columns, terms and further tables.
        settings: of models and cross-validation.
        output: folder to write into.
        overwrite: whether files that neurotarget did not write may be replaced.
        command: the command line, for the page.
        notes: shown with those of the study.
        extraction: how the features were measured, if that is known.

    Raises:
        DataError: a table cannot be used, or too few people are left.
    """
    check_writable(output)
    people = _people(table, asked, {}, asked.where)
    terms = parse_terms(asked.clinical, people.rows, people.file) if asked.clinical else ()
    features = _features(asked, people, terms)
    here = _read(people, terms, features, asked, {})
    there = _external(asked, terms, features, here) if asked.external else None
    claim(output, overwrite=overwrite)
    study = analyse_radiomics(
        here.material, settings, other=there.material if there else None, site_names=here.sites
    )
    left_out = {table.name: reasons_of(here.people)}
    if there:
        left_out[Path(there.people.file).name] = reasons_of(there.people)
    notes = [*notes, *map(str, here.people.problems), *here.notes]
    notes += [f"Other cohort: {note}" for note in there.notes] if there else []
    facts = {"table": str(table), "outcome": _outcome_text(here.people, asked),
             **({"command": command} if command else {}),
             "seed": str(settings.chain.seed), "software": software()}  # fmt: skip
    robust = here.robust and Robustness(
        asked.stable,
        len(here.robust.kept),
        len(here.robust.table),
        here.robust.n,
        here.robust.measurements,
    )
    sentences = study_sentences(study, extraction, robust, asked.clinical)
    checklists = {"metrics": metrics_table(sentences), "clear": clear_table(sentences)}
    tables = {**study.tables, **checklists}
    if here.robust:
        tables["robust"] = here.robust.table
    methods = methods_paragraph(sentences)
    return _write(replace(study, tables=tables), output, left_out, notes, facts, methods)


def _outcome_text(people: People, asked: Radiomics) -> str:
    if not isinstance(people, FollowUp):
        return people.text
    return f"{asked.outcome} by {asked.time}"


def _people(
    path: Path, asked: Radiomics, names: Mapping[str, str], where: str, like: str = ""
) -> People:
    case_id = names.get(asked.case_id, asked.case_id)
    outcome = names.get(asked.outcome, asked.outcome)
    if asked.time:
        return read_follow_up(path, time=names.get(asked.time, asked.time), event=outcome,
                              unit=asked.unit, case_id=case_id, where=where)  # fmt: skip
    if asked.is_number:
        return read_numbers(path, outcome, case_id=case_id, where=where)
    return read_classes(path, outcome, case_id=case_id, where=where, like=like)


def _features(asked: Radiomics, people: People, terms: Sequence[Term]) -> list[str]:
    """Columns of image features; none if clinical terms are given and no column is named so."""
    taken = {name for term in terms for name in term.columns}
    given = [asked.outcome.rpartition("=")[0] or asked.outcome, asked.outcome, asked.time]
    given += [asked.case_id, asked.site]
    found = [find_column(list(people.rows[0]), [name]) for name in given if name]
    taken |= {name for name in found if name}
    return image_columns(asked.image, people.rows, taken, people.file)


def _read(
    people: People,
    terms: Sequence[Term],
    features: Sequence[str],
    asked: Radiomics,
    names: Mapping[str, str],
) -> _Read:
    """People with every clinical term, with their features; NaN features are filled in folds.

    Raises:
        DataError: too few people or positive ones are left.
    """
    made = design(terms, people.rows, names, people.file)
    lacking = missing_terms(made, list(map(str, range(people.n))))
    site, sites = _sites(people, asked, names)
    out = {int(name): why for name, why in lacking.items()}
    out |= dict.fromkeys(np.flatnonzero(np.isnan(site)), f"no {asked.site}")
    people = _without(people, out)
    _check_counts(people, asked)
    values = feature_values(features, people.rows, names, people.file)
    image, kept, notes = (values, list(features), []) if names else _usable(values, features)
    robust = None
    if asked.second and not names:
        robust = robust_features(people.case_ids, kept, image, asked)
        image = image[:, [kept.index(name) for name in robust.kept]]
        notes.append(f"{len(kept) - len(robust.kept)} of {len(kept)} features were left out, as "
                     f"their ICC(A,1) over {robust.measurements} measurements of {robust.n} people "
                     f"is below {asked.stable:g}.")  # fmt: skip
        kept = robust.kept
    outcome = _outcome(people)
    keep = [place for place in range(len(site)) if place not in out]
    clinical = design(terms, people.rows, names, people.file)
    notes += [f"{name}: an empty cell counts as another value ({n} people)."
              for name, n in clinical.filled.items()]  # fmt: skip
    subject, copies = _copies(people, outcome.subject, values)
    notes += copies
    material = Material(
        list(people.case_ids), outcome._replace(subject=subject), clinical.values, image,
        [term.name for term in terms], kept, site[keep], _outcome_text(people, asked),
    )  # fmt: skip
    return _Read(people, material, sites, notes, robust)


def _without(people: People, out: Mapping[int, str]) -> People:
    if not isinstance(people, FollowUp):
        return people.without(out)
    return people.without({people.case_ids[place]: why for place, why in out.items()})


def _outcome(people: People) -> Outcome:
    subject, _ = codes(people.case_ids)
    if isinstance(people, FollowUp):
        return Outcome(people.event, subject, people.days)
    return Outcome(people.outcome, subject, is_number=people.is_number)


def _check_counts(people: People, asked: Radiomics) -> None:
    outcome = _outcome(people) if people.n else None
    rarer = outcome.rarer if outcome is not None else 0
    if people.n >= FEWEST_PEOPLE and rarer >= FEWEST_OF_CLASS:
        return
    kind = "with the event" if asked.time else "with a number" if asked.is_number else (
        "of the rarer class")  # fmt: skip
    listed = "; ".join(f"{why}: {count}" for why, count in reasons_of(people).items())
    todo = f"left out were {listed}" if listed else "give a larger table"
    raise DataError(error(f"{people.n} people, {rarer} {kind}",
                          f"at least {FEWEST_PEOPLE} people and {FEWEST_OF_CLASS} {kind}",
                          todo, file=people.file))  # fmt: skip


def _usable(values: np.ndarray, features: Sequence[str]) -> tuple[np.ndarray, list[str], list[str]]:
    """Features that vary and that most people have, and notes on the others."""
    there = np.isfinite(values)
    gaps = 1 - there.mean(axis=0)
    varies = np.zeros(len(features), dtype=bool)
    for place, column in enumerate(values.T):
        known = column[np.isfinite(column)]
        varies[place] = len(known) > 0 and np.ptp(known) > 0
    keep, notes = varies & (gaps <= MOST_GAPS), []
    if constant := [name for name, one in zip(features, varies, strict=True) if not one]:
        notes.append(f"Left out as they have one value in everybody: {some(constant)}.")
    lacking = varies & (gaps > MOST_GAPS)
    if rare := [name for name, one in zip(features, lacking, strict=True) if one]:
        notes.append(f"Left out as more than a fifth of the people lack them: {some(rare)}.")
    if count := int((~there[:, keep]).sum()):
        notes.append(f"{count} values of features are missing; each training fold fills them with "
                     "its medians.")  # fmt: skip
    return values[:, keep], [name for name, one in zip(features, keep, strict=True) if one], notes


def _copies(
    people: People, subject: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """People whose features are all equal count as one, so that no fold separates them."""
    if values.shape[1] < FEWEST_EQUAL:
        return subject, []
    alike = pd.DataFrame(values).groupby(list(range(values.shape[1])), dropna=False).ngroup()
    first: dict[int, int] = {}
    subject, pairs = subject.copy(), []
    for place, group in enumerate(alike):
        other = first.setdefault(group, place)
        if subject[other] != subject[place] and np.isfinite(values[place]).all():
            pairs.append(f"{people.case_ids[other]} = {people.case_ids[place]}")
            subject[subject == subject[place]] = subject[other]
    if not pairs:
        return subject, []
    numbered = np.unique(subject, return_inverse=True)[1]
    return numbered, [f"All features of {some(pairs)} are equal: the same people under two ids? "
                      "They are in one fold."]  # fmt: skip


def _sites(
    people: People, asked: Radiomics, names: Mapping[str, str]
) -> tuple[np.ndarray, list[str]]:
    """Number of each person's site, NaN where it is missing; 0 without sites.

    Raises:
        DataError: there is no such column, one site only, or a site with few people.
    """
    if not asked.site:
        return np.zeros(people.n), []
    name = names.get(asked.site, asked.site)
    column = required_column(people.rows[0], name, people.file, "site= among the columns")
    texts = ["" if is_missing(row[column]) else level(row[column], column) for row in people.rows]
    sites = sorted({text for text in texts if text})
    few = [f"{site} ({texts.count(site)})" for site in sites if texts.count(site) < FEWEST_OF_SITE]
    if len(sites) < 2 or few:
        found = f"{len(sites)} sites in {column}" if len(sites) < 2 else f"small sites {some(few)}"
        todo = "leave site= out" if len(sites) < 2 else "merge them, or leave them out with where="
        raise DataError(error(found, f"two sites or more with {FEWEST_OF_SITE} people each", todo,
                              file=people.file))  # fmt: skip
    numbers = [float(sites.index(text)) if text else np.nan for text in texts]
    return np.array(numbers), sites


def _external(
    asked: Radiomics, terms: Sequence[Term], features: Sequence[str], here: _Read
) -> _Read:
    """The other cohort with the features used here; people of the first one are left out.

    They are found by their ids and, under other ids, by their features.

    Its sites are numbered apart from those here, so that each is adapted to.
    """
    names = {name: name for name in features} | dict(asked.names)
    like = "" if isinstance(here.people, FollowUp) else here.people.positive
    people = _people(asked.external, asked, names, asked.external_where, like)
    twice = in_both(here.people.case_ids, people.case_ids)
    values = feature_values(here.material.image_names, people.rows, names, people.file)
    out = dict.fromkeys(_places_of(here.material.image, values), EQUAL)
    out |= {place: OVERLAP for place, name in enumerate(people.case_ids) if name in twice}
    people = _without(people, out)
    _check_counts(people, asked)
    made = _read(people, terms, here.material.image_names, asked, names)
    apart = made.material.site + len(here.sites)
    return made._replace(material=made.material._replace(site=apart))


def _places_of(here: np.ndarray, there: np.ndarray) -> list[int]:
    """Rows of `there` whose values are all known and equal to those of a row of `here`."""
    if here.shape[1] < FEWEST_EQUAL:
        return []
    known = {tuple(row) for row in here[np.isfinite(here).all(axis=1)].tolist()}
    return [place for place, row in enumerate(there.tolist()) if tuple(row) in known]


def _write(
    study: RadiomicsStudy,
    output: Path,
    left_out: Mapping[str, Mapping[str, int]],
    notes: list[str],
    facts: Mapping[str, str],
    methods: str,
) -> WrittenRadiomics:
    """Write the tables, the methods, the figures and the page, and return the headlines."""
    page, folder, pictures = write_tables(
        output,
        "radiomics",
        study.tables,
        radiomics_figures(study),
        left_out,
        lambda shown: radiomics_html(
            study, shown, left_out, notes=notes, facts=facts, methods=methods
        ),
    )
    write_text(folder / "methods.md", f"{methods}\n")
    return WrittenRadiomics(
        study, page, folder, radiomics_headlines(study), [*study.notes, *notes], pictures
    )
