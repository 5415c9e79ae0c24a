"""`neurotarget <command> …`: parse the arguments and run one command."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from pathlib import Path

from neurotarget.cli.argv import exists, expand_home
from neurotarget.cli.flags import flag
from neurotarget.cli.lint import run as run_lint
from neurotarget.cli.settings import read_whole
from neurotarget.cli.study import WORDS as STUDY_WORDS
from neurotarget.cli.study import run as run_study
from neurotarget.cli.targets import load_target, nearest_of
from neurotarget.data.batches.cache import open_entry
from neurotarget.data.batches.datamodule import checkup_of
from neurotarget.data.batches.prepare import Preparation, prepare
from neurotarget.data.cases.manifest import read_manifest
from neurotarget.files.memory_limits import within_memory
from neurotarget.files.ownership import claim_file
from neurotarget.problems import DataError
from neurotarget.process.exit_codes import exits_with_sentence, print_anything, print_problems
from neurotarget.process.programs import SCRIPTS, asked_help
from neurotarget.process.signals import listen, resumable_with, same_command
from neurotarget.report.pages.summary import summarise, summary_text
from neurotarget.scoring import evaluate, read_rows, write_rows
from neurotarget.stats.cohort.measured import from_rows
from neurotarget.stats.study.analysis import analyse
from neurotarget.studies.study_inputs import check_masks, covariate_table
from neurotarget.types import Target

Words = Mapping[str, str]


def main() -> None:
    """Run the command of the process's arguments and exit with its status."""
    listen()
    print_anything()
    sys.exit(run(sys.argv[1:]))


@exits_with_sentence
def run(argv: Sequence[str]) -> int:
    """Run the command in `argv`; returns 0 on success, 2 on errors."""
    argv = [word if exists(word) else _expand_home(word) for word in argv]
    if (text := asked_help(argv)) is not None:
        print(text, end="")
        return 0
    if argv[0] not in (*HEAVY, *COMMANDS):
        known = [*SCRIPTS, *HEAVY, *COMMANDS]
        raise DataError(f"neurotarget {argv[0]}: no such command;{nearest_of(argv[0], known)}")
    with resumable_with(same_command(argv)) if argv[0] in KEEPING else nullcontext():
        if argv[0] in HEAVY:
            return HEAVY[argv[0]](argv)
        act, allowed = COMMANDS[argv[0]]
        return act(_words(argv[0], argv[1:], allowed))


def _lint(words: Words) -> int:
    target = _target(words) if "target" in words else None
    return run_lint(_source(words), target)


def _prepare(words: Words) -> int:
    target = _target(words)
    cache = Path(words.get("cache", f"cache/{target.name}"))
    manifest = read_manifest(_source(words), target)
    folders = prepare(manifest, target, Preparation(), cache, workers=_number(words, "workers", 2))
    entries = [(case, open_entry(folders[case.case_id])) for case in manifest.cases]
    print_problems([item for pair in entries for item in checkup_of(*pair, target).problems])
    print(f"{len(folders)} cases lie prepared in {cache}")
    return 0


def _evaluate(words: Words) -> int:
    target = _target(words)
    predictions = Path(_needed(words, "predictions"))
    path = Path(words.get("rows", "rows.csv"))
    claim_file(path, key="rows", overwrite=flag(words, "overwrite"))
    manifest = read_manifest(_source(words), target, need_images=False)
    splits = {case.case_id: case.split or "test" for case in manifest.cases}
    check_masks(predictions, splits)
    rows = evaluate(manifest, predictions, target, splits, which=set(splits.values()))
    write_rows(rows, path)
    with within_memory(str(path), "the scores are written: close other programs and study them"):
        measured = from_rows(read_rows(path), target, covariate_table(manifest.cases))
        print(summary_text(summarise(analyse(measured))))
    print(f"\nrows  {path}")
    return 0


def _study(words: Words) -> int:
    return run_study(_without_trust(words), partial(load_target, trust=flag(words, "trust")))


def _models(argv: Sequence[str]) -> int:
    models = import_module("neurotarget.cli.models")
    words = _words("models", argv[1:], (*models.WORDS, "trust"))
    return models.run(_without_trust(words), partial(load_target, trust=flag(words, "trust")))


def _compare(argv: Sequence[str]) -> int:
    """Compare runs: the only command with several folders among its arguments."""
    compare = import_module("neurotarget.cli.compare")
    rest = [word for word in argv[1:] if word.partition("=")[0] in compare.WORDS]
    places = [word for word in argv[1:] if word not in rest]
    if not places:
        raise DataError("neurotarget compare: found no folder, wanted a multirun folder or runs")
    if absent := next((place for place in places if not exists(place)), None):
        key = absent.partition("=")[0]
        raise DataError(
            f"{absent}: no such folder; give a multirun folder or run folders;"
            f"{nearest_of(key, compare.WORDS)}"
        )
    return compare.run(places, _words("compare", rest, compare.WORDS))


def _maps(argv: Sequence[str]) -> int:
    """Make maps of gradient-echo scans: qsm or swi."""
    command = import_module(f"neurotarget.cli.{argv[0]}")
    return command.run(_words(argv[0], argv[1:], command.WORDS))


# commands that import the training stack, which takes seconds
HEAVY: dict[str, Callable[[Sequence[str]], int]] = {
    "compare": _compare,
    "models": _models,
    "qsm": _maps,
    "swi": _maps,
}
KEEPING = ("prepare", "qsm", "swi")  # resume when the same command is repeated
COMMANDS: dict[str, tuple[Callable[[Words], int], tuple[str, ...]]] = {
    "lint": (_lint, ("source", "target", "trust")),
    "prepare": (_prepare, ("source", "target", "trust", "cache", "workers")),
    "evaluate": (_evaluate, ("source", "target", "trust", "predictions", "rows", "overwrite")),
    "study": (_study, ("source", "trust", *STUDY_WORDS)),
}


def _words(command: str, argv: Sequence[str], allowed: Sequence[str]) -> dict[str, str]:
    """Parse `key=value` arguments; one argument without `=` is the source."""
    words: dict[str, str] = {}
    for word in argv:
        key, sign, value = word.partition("=")
        if not sign or (key not in allowed and exists(word)):
            key, value = "source", word
        if key not in allowed:
            raise DataError(f"neurotarget {command}: {key} is not known;{nearest_of(key, allowed)}")
        if not value.strip():
            raise DataError(f"neurotarget {command}: {key}= has no value; say one or leave it out")
        if key in words:
            raise DataError(f"neurotarget {command}: {key} is given twice; say it once")
        words[key] = value
    return words


def _expand_home(word: str) -> str:
    key, sign, value = word.partition("=")
    return f"{key}={expand_home(value)}" if sign else expand_home(word)


def _source(words: Words) -> str:
    source = _needed(words, "source")
    if not exists(source):
        raise DataError(f"{source}: no such file or folder; give a manifest or a data set")
    return source


def _needed(words: Words, key: str) -> str:
    if key not in words:
        raise DataError(f"found no {key}, wanted {key}=<…>; `neurotarget help` shows how")
    return words[key]


def _target(words: Words) -> Target:
    return load_target(_needed(words, "target"), trust=flag(words, "trust"))


def _without_trust(words: Words) -> Words:
    return {key: value for key, value in words.items() if key != "trust"}


def _number(words: Words, key: str, default: int) -> int:
    return read_whole(key, words.get(key, str(default)), 1, 1024)
