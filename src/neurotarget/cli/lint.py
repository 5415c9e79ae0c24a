"""`neurotarget lint`: report every problem of a data set in one pass."""

import sys

from neurotarget.data.cases.lint import lint
from neurotarget.data.cases.manifest import scan_manifest
from neurotarget.types import Target


def run(source: str, target: Target | None = None) -> int:
    """Print the problems of a data set, errors first; returns 2 if there are errors, else 0.

    Without a target, it checks only what needs none: files, grids, and that labels are integers and
    not empty.
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
