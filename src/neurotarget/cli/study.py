"""`neurotarget study …`: from rows, masks or a table of volumes to the answered question."""

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from neurotarget.cli.flags import flag
from neurotarget.cli.settings import read_whole
from neurotarget.files.memory_limits import LESS_READ, LESS_SHOWN, within_memory
from neurotarget.files.ownership import claim
from neurotarget.files.writing import at_home
from neurotarget.hypothesis import Hypothesis, Matters
from neurotarget.levels import code_book
from neurotarget.problems import DataError
from neurotarget.report.pages.raters_section import rater_sentences
from neurotarget.report.words.learning_banner import banner, banner_text
from neurotarget.report.words.sentences import headlines
from neurotarget.runs.folder.older_output import older_output
from neurotarget.runs.tracking.written_study import WrittenStudy
from neurotarget.studies.asked import (
    acceptable_of,
    refuse_codes,
    refuse_copies,
    with_acceptable,
    with_asked,
    with_levels,
)
from neurotarget.studies.measured_volumes import from_table
from neurotarget.studies.study_folder import write_study
from neurotarget.studies.study_inputs import Material, from_masks, from_run, run_target
from neurotarget.types import Target

WORDS = (
    "rows",
    "masks",
    "table",
    "manifest",
    "target",
    "second",
    "predictions",
    "labels",
    "ask",
    "matters",
    "acceptable",
    "levels",
    "output",
    "overwrite",
    "cases",
    "seed",
    "id",
    "method",
    "methods",
    "unit",
    "reference",
)
KINDS = ("rows", "masks", "table")  # of sources
BELONGS = {  # words that only one source understands
    "second": ("masks",),
    "predictions": ("rows",),
    "manifest": ("rows", "masks"),
    **dict.fromkeys(("labels", "id", "method", "methods", "unit", "reference"), ("table",)),
}

MOST = 2**32 - 1  # a seed that every generator takes

Words = Mapping[str, str]


def run(words: Words, load_target: Callable[[str], Target]) -> int:
    """Make one study and say what it found; 0."""
    source = _source(words)
    asked, seed, cases = _asked(words), _whole(words, "seed", 0), _whole(words, "cases", 12)
    overwrite = flag(words, "overwrite")
    levels, acceptable = _levels(words), acceptable_of(words.get("acceptable", ""))
    target = with_levels(load_target(words["target"]) if "target" in words else None, levels)
    read = {"rows": _from_rows, "masks": _from_masks, "table": _from_table}[source]
    with within_memory(f"{source}={words[source]}", LESS_READ):
        material = read(words, target)
    hypotheses = asked or material.measured.target.hypotheses
    material = with_asked(material, _with_interest(hypotheses, words.get("matters")))
    material = with_acceptable(material, acceptable)
    refuse_codes(material, levels)
    material = refuse_copies(material)
    command = "neurotarget study " + shlex.join(f"{key}={value}" for key, value in words.items())
    material = material._replace(facts={**material.facts, "command": command})
    folder = _folder(words, source, material.measured.target)
    claim(folder, older=older_output, overwrite=overwrite)
    with within_memory(f"tables and pictures in {folder}", LESS_SHOWN):
        done = write_study(material, folder, seed=seed, cases=cases)
    tell(done)
    return 0


def tell(done: WrittenStudy) -> None:
    """Print the headlines of a study and where its files lie."""
    if loud := banner_text(banner(done.study.learning)):
        print(f"{loud}\n")
    for line in headlines(done.study):
        print(line)
    for line in rater_sentences(done.study):
        print(line)
    if not done.study.measured.methods:
        print("No case has a volume: nothing could be measured or tested.")
    elif not done.study.measured.target.hypotheses:
        print('No hypothesis was asked; say one, such as ask="volume ~ age: negative".')
    for note in done.study.notes:
        print(f"  note: {note}")
    print(f"\nreport  {done.page}\ntables  {done.page.parent / 'study'}")


def _from_rows(words: Words, target: Target | None) -> Material:
    manifest, predictions = _path(words, "manifest"), _existing_folder(words, "predictions")
    source, levels = _existing(words, "rows"), _levels(words)
    if target is None and levels:
        own = run_target(source if source.is_dir() else source.parent)
        target = with_levels(own, levels)
    return from_run(source, manifest=manifest, target=target, predictions=predictions)


def _from_masks(words: Words, target: Target | None) -> Material:
    if target is None or "manifest" not in words:
        raise DataError(
            "neurotarget study masks=: found no "
            f"{'target' if target is None else 'manifest'}, wanted both; say "
            "manifest=<table of cases> target=<name>"
        )
    second = _existing_folder(words, "second")
    return from_masks(
        _existing(words, "masks"), second, manifest=_existing(words, "manifest"), target=target
    )


def _from_table(words: Words, target: Target | None) -> Material:
    whole = at_home(words["table"])  # a path may have a comma
    paths = [whole] if whole.is_file() else list(map(at_home, _list(words, "table")))
    if absent := [path for path in paths if not (path.is_file() or path.is_symlink())]:
        raise DataError(f"table: no such file: {absent[0]}; check the path")
    options = {"id_column": words.get("id"), "method_column": words.get("method")}
    return from_table(
        paths,
        target=target,
        labels=_list(words, "labels") or None,
        words={
            "levels": _levels(words),
            **options,
            "methods": _list(words, "methods"),
            "unit": words.get("unit", "mm3"),
        },
        reference=words.get("reference"),
    )


def _source(words: Words) -> str:
    given = [name for name in KINDS if name in words]
    if "source" in words and not given:
        rows, masks, table = (shlex.quote(f"{kind}={words['source']}") for kind in KINDS)
        raise DataError(
            f"neurotarget study: found {words['source']} without its kind; say {rows}, {masks} or "
            f"{table}"
        )
    if "source" in words:
        raise DataError(
            f"neurotarget study: found {words['source']}, wanted words such as target=<name>; "
            "`neurotarget study help` shows all"
        )
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        raise DataError(
            f"neurotarget study: found {found}, wanted one of rows=, masks= and table=; "
            "`neurotarget study help` shows how"
        )
    for word, sources in BELONGS.items():
        if word in words and given[0] not in sources:
            raise DataError(
                f"neurotarget study {given[0]}=: {word}= has no meaning here, it belongs to "
                f"{' or '.join(f'{name}=' for name in sources)}; leave it out"
            )
    return given[0]


def _asked(words: Words) -> list[Hypothesis]:
    """Hypotheses that the command line asks, each called after what it tests."""
    asked: list[Hypothesis] = []
    for text in (part.strip() for part in words.get("ask", "").split(";")):
        if not text:
            continue
        try:
            parsed = Hypothesis.parse("ask", text)
            label = f"{parsed.label}_" if parsed.label else ""
            measure = f"{parsed.measure}_" if parsed.contrast else ""
            name = f"{measure}{label}{parsed.covariate.replace('*', '_x_')}"
            taken = sum(item.name.startswith(name) for item in asked)
            asked.append(Hypothesis.parse(f"{name}_{taken + 1}" if taken else name, text))
        except ValueError as error:
            raise DataError(f"ask: {str(error).removeprefix('hypothesis ask: ')}") from error
    return asked


def _levels(words: Words) -> dict[str, dict[str, str]]:
    """What codes of covariates stand for, as the command line says it."""
    try:
        return code_book(words.get("levels", ""))
    except ValueError as error:
        raise DataError(f"levels: {error}") from error


def _with_interest(asked: Sequence[Hypothesis], text: str | None) -> list[Hypothesis]:
    """Hypotheses with a smallest effect of interest, where they state none.

    A share or a volume is of a group difference; a slope's would be per unit of its covariate.
    """
    if text is None:
        return list(asked)
    try:
        matters = Matters.read("matters", text)
    except ValueError as error:
        raise DataError(str(error).removeprefix("hypothesis matters: ")) from error
    return [
        replace(one, matters=matters)
        if one.matters is None and (one.groups or matters.unit == "d")
        else one
        for one in asked
    ]


def _folder(words: Words, source: str, target: Target) -> Path:
    rows = at_home(words.get("rows", ""))
    folder = rows if source == "rows" and rows.is_dir() else Path(f"study_{target.name}")
    folder = at_home(words["output"]) if "output" in words else folder
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        what = "may not be written" if there.is_dir() else "is a file"
        raise DataError(f"output: {there} {what}, wanted a folder to write into; say another")
    return folder


def _existing(words: Words, key: str) -> Path:
    path = at_home(words[key])
    if not path.exists():
        raise DataError(f"{key}: no such file or folder: {path}; check the path")
    return path


def _path(words: Words, key: str) -> Path | None:
    return _existing(words, key) if key in words else None


def _existing_folder(words: Words, key: str) -> Path | None:
    path = _path(words, key)
    if path is not None and not path.is_dir():
        raise DataError(f"{key}: {path} is a file, wanted a folder of masks; check the path")
    return path


def _list(words: Words, key: str) -> list[str]:
    return [part.strip() for part in words.get(key, "").split(",") if part.strip()]


def _whole(words: Words, key: str, default: int) -> int:
    return read_whole(key, words.get(key, str(default)), 0, MOST)
