"""Pages of the documentation that repeat texts of the program: they are still those texts."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS, SOURCE = ROOT / "docs", ROOT / "src" / "neurotarget"
FILLED = "…"  # what differs between messages


@cache
def texts_of_source() -> str:
    """Every text in the code, with … in place of what is filled in."""
    texts = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                texts.append("".join(text_of(one) for one in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def text_of(part: ast.expr) -> str:
    """The text of a part of an f-string."""
    return part.value if isinstance(part, ast.Constant) else FILLED


def messages(page: Path) -> list[str]:
    """Messages in the bold lines of a page."""
    lines = re.findall(r"^\*\*(.+)\*\*$", page.read_text(encoding="utf-8"), re.M)
    return [code for line in lines for code in re.findall(r"`([^`]+)`", line)]


def unknown_parts(message: str) -> list[str]:
    """Parts of a message that no text of the code has."""
    parts = re.sub("^found |, wanted .*$", "", message).split(FILLED)
    return [part for part in parts if part.strip(" ;,.()") and part not in texts_of_source()]


def test_messages_of_the_frequent_errors_are_those_of_the_program():
    shown = messages(DOCS / "faq.md")
    assert len(shown) >= 25
    assert {message: wrong for message in shown if (wrong := unknown_parts(message))} == {}


def test_a_message_that_the_program_never_prints_is_seen():
    assert unknown_parts("label values … that no target has") == [" that no target has"]


def test_sources_of_the_page_on_statistics_are_those_of_the_code():
    text = (DOCS / "statistics.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"doi\.org/((?:[^()\s]|\([^()\s]*\))+)", text))
    assert len(shown) > 50
    kept = "\n".join(
        path.read_text(encoding="utf-8")
        for pattern in ("*.py", "*.toml")
        for path in SOURCE.rglob(pattern)
    )
    assert {doi for doi in shown if doi not in kept} == set()


def test_the_page_on_reports_names_every_table():
    tables = tomllib.loads((SOURCE / "report/assets/tables.toml").read_text(encoding="utf-8"))
    filled = {"{plural}": "volumes", "{Plural}": "Volumes", "{masks}": "masks"}
    titles = [one["title"] for one in tables["study"].values()]
    titles = [re.sub(r"\{\w+\}", lambda name: filled[name[0]], title) for title in titles]
    text = (DOCS / "report.md").read_text(encoding="utf-8")
    assert [title for title in titles if f"**{title}**" not in text] == []
