"""`neurotarget lint`: report every problem of a data set in one pass."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from neurotarget.cli.arguments import PLACE, Positional, read_arguments
from neurotarget.cli.configs.targets import load_target
from neurotarget.data.cases.lint import lint
from neurotarget.data.cases.manifest import scan_manifest
from neurotarget.types import Target


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command."""

    source: Annotated[Path, Positional("a manifest or a data set"), PLACE]
    target: str | None = None
    trust: bool = False


def run(argv: Sequence[str]) -> int:
    """Print the problems of a data set; returns 2 if there are errors, else 0.

    Raises:
        DataError: an argument is invalid, or the target cannot be read; problems of the data are
            printed instead of raised.
    """
    (arguments,) = read_arguments("lint", argv, Arguments)
    target = (
        load_target(arguments.target, source=arguments.source, trust=arguments.trust)
        if arguments.target
        else None
    )
    return print_lint(arguments.source, target)


def print_lint(source: Path | str, target: Target | None = None) -> int:
    """Print the problems of a data set, errors first; returns 2 if there are errors, else 0.

    Without a target, only files, grids and masks (integers, not empty) are checked.
    """
    manifest, problems = scan_manifest(source, target)
    if manifest is not None:
        problems = list(dict.fromkeys([*problems, *lint(manifest, target)]))
    errors = [problem for problem in problems if problem.level == "error"]
    warnings = [problem for problem in problems if problem.level == "warning"]
    for problem in (*errors, *warnings):
        sys.stdout.write(f"{problem.level}: {problem}\n")
    cases = len(manifest.cases) if manifest is not None else 0
    counts = (_count(len(errors), "error"), _count(len(warnings), "warning"))
    checked = "" if target is None else f" for the target {target.name}"
    sys.stdout.write(f"{', '.join(counts)} in {_count(cases, 'case')} of {source}{checked}\n")
    return 2 if errors else 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
