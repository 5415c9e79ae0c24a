"""Everything public describes itself, and descriptions are a fifth of the package."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import neurotarget

SOURCE = Path(neurotarget.__file__).parent
LEAST_SHARE = 0.20  # of all lines, blank ones included
DESCRIBED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Share(NamedTuple):
    """Lines of docstrings, and lines in all."""

    described: int
    total: int


def undescribed(node: ast.AST) -> Iterator[str]:
    """Public classes, functions and methods without a docstring.

    Functions within functions, and what belongs to a private class, are no part of the API.
    """
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.ClassDef, *FUNCTIONS)):
            yield from undescribed(child)  # a definition may stand below `if` or `try`
        elif not child.name.startswith("_"):
            if not ast.get_docstring(child):
                yield f"{child.lineno} {child.name}"
            if isinstance(child, ast.ClassDef):
                yield from undescribed(child)


def described_share(text: str) -> Share:
    """Count the lines of all docstrings of a file, from quotes to quotes."""
    lines = 0
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, DESCRIBED) and ast.get_docstring(node) is not None:
            lines += node.body[0].end_lineno - node.body[0].lineno + 1
    return Share(lines, len(text.splitlines()))


def texts() -> dict[Path, str]:
    """Text of each file of the package, by its path there."""
    return {
        path.relative_to(SOURCE): path.read_text(encoding="utf-8")
        for path in sorted(SOURCE.rglob("*.py"))
    }


def test_all_that_is_public_has_a_docstring():
    found = [f"{path}:{line}" for path, text in texts().items()
             for line in undescribed(ast.parse(text))]  # fmt: skip
    assert found == []


def test_a_fifth_of_the_lines_are_docstrings():
    shares = [described_share(text) for text in texts().values()]
    described, total = (sum(column) for column in zip(*shares, strict=True))
    assert described / total >= LEAST_SHARE, f"{described} of {total} lines are docstrings"


def test_overrides_and_methods_count_and_what_is_private_or_nested_does_not():
    text = """
class Net(Module):
    \"\"\"A network.\"\"\"
    def forward(self): ...
    def _inner(self): ...
class _Hidden:
    def run(self): ...
def outer():
    \"\"\"Returns a function.\"\"\"
    def inner(): ...
if True:
    def below(): ...
class Bare: ...
"""
    named = [line.split()[1] for line in undescribed(ast.parse(text))]
    assert named == ["forward", "below", "Bare"]


def test_lines_are_counted_from_quotes_to_quotes():
    text = '"""One\n\nthree."""\n\ndef f():\n    """Two lines\n    here."""\n    return "text"\n'
    assert described_share(text) == (5, 8)
