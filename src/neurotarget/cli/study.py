"""`neurotarget study …`: one study from a table of scores or volumes, or from masks."""

import shlex
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from neurotarget.cli.flags import flag
from neurotarget.cli.settings import read_whole
from neurotarget.files.writing import at_home
from neurotarget.problems import DataError
from neurotarget.report.pages.raters_section import rater_sentences
from neurotarget.report.text.learning_banner import banner, banner_text
from neurotarget.report.text.sentences import headlines
from neurotarget.runs.tracking.written_study import WrittenStudy
from neurotarget.studies.make_study import Questions, Source, levels_of, make_study, own_target
from neurotarget.studies.measured_volumes import from_table
from neurotarget.studies.study_inputs import Material, from_masks, from_run
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
KINDS = ("rows", "masks", "table")  # sources of a study
BELONGS = {  # arguments that only some sources accept
    "second": ("masks",),
    "predictions": ("rows",),
    "manifest": ("rows", "masks"),
    **dict.fromkeys(("labels", "id", "method", "methods", "unit", "reference"), ("table",)),
}

MOST = 2**32 - 1  # largest seed that every generator accepts

Words = Mapping[str, str]


def run(words: Words, load_target: Callable[[str], Target]) -> int:
    """Make one study and print its headlines; returns exit status 0."""
    kind = _source(words)
    seed, cases = _whole(words, "seed", 0), _whole(words, "cases", 12)
    overwrite = flag(words, "overwrite")
    asked = Questions(
        words.get("ask", ""),
        words.get("matters"),
        words.get("acceptable", ""),
        words.get("levels", ""),
    )
    target = load_target(words["target"]) if "target" in words else None
    rows = at_home(words.get("rows", ""))
    source = Source(
        f"{kind}={words[kind]}",
        partial({"rows": _from_rows, "masks": _from_masks, "table": _from_table}[kind], words),
        rows if kind == "rows" and rows.is_dir() else None,
    )
    done = make_study(
        source,
        target=target,
        questions=asked,
        output=words.get("output"),
        seed=seed,
        cases=cases,
        overwrite=overwrite,
        command="neurotarget study " + shlex.join(f"{key}={value}" for key, value in words.items()),
    )
    tell(done)
    return 0


def tell(done: WrittenStudy) -> None:
    """Print the headlines of a study and the paths of its files."""
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
    source, levels = _existing(words, "rows"), levels_of(words.get("levels", ""))
    target = target or own_target(source, levels)
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
    whole = at_home(words["table"])  # a path may contain a comma
    paths = [whole] if whole.is_file() else list(map(at_home, _list(words, "table")))
    if absent := [path for path in paths if not (path.is_file() or path.is_symlink())]:
        raise DataError(f"table: no such file: {absent[0]}; check the path")
    options = {"id_column": words.get("id"), "method_column": words.get("method")}
    return from_table(
        paths,
        target=target,
        labels=_list(words, "labels") or None,
        reading={
            "levels": levels_of(words.get("levels", "")),
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
