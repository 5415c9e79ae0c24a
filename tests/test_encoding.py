"""Text is UTF-8 on every machine, whatever its locale says."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from neurotarget.process.exit_codes import exits_with_sentence

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [*sorted((ROOT / "src").rglob("*.py")), ROOT / "train.py", ROOT / "predict.py"]
OPENERS = {"open", "read_text", "write_text", "TextIOWrapper", "fdopen", "FileHandler"}
RUNNERS = {"run", "Popen", "check_output"}


def locale_bound(tree: ast.AST) -> Iterator[int]:
    """Lines that read or write text in the encoding of the locale."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        if {"encoding", None} & given.keys():  # or `**`, keywords that a caller gave
            continue
        # functions of files.writing and files.reading, which know one encoding
        is_ours = ast.unparse(node.func) in ("read_text", "write_text")
        is_text = name in OPENERS and not is_ours and not _is_binary(node)
        if is_text or (name in RUNNERS and {"text", "universal_newlines"} & given.keys()):
            yield node.lineno


def _is_binary(call: ast.Call) -> bool:
    """Whether a mode is given that ends in b, an encoding by its place, or flags of `os.open`."""
    arguments = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    texts = [word.value for word in arguments if isinstance(word, ast.Constant)]
    if any(isinstance(text, str) and ("b" in text[-2:] or "utf-8" in text) for text in texts):
        return True
    owner = ast.unparse(call.func).partition(".")[0]
    return owner in ("os", "tarfile", "zipfile", "Image")


@pytest.mark.parametrize(
    ("line", "is_bound"),
    [
        ("path.open('w', newline='')", True),
        ("path.read_text()", True),
        ("draft.write_text(text)", True),
        ("subprocess.run(words, text=True)", True),
        ("open(path)", True),
        ("path.open('rb')", False),
        ("path.read_text('utf-8')", False),
        ("path.open(encoding='utf-8-sig')", False),
        ("subprocess.run(words)", False),
        ("path.open('ab+')", False),
        ("write_text(path, text)", False),
        ("read_text(path)", False),
    ],
)
def test_what_depends_on_the_locale_is_found(line, is_bound):
    assert bool(list(locale_bound(ast.parse(line)))) is is_bound


def test_every_text_file_has_an_encoding():
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in SOURCES
        for line in locale_bound(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found, f"say encoding=: {', '.join(found)}"


LATIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_a_terminal_without_the_letters_shows_their_codes(tmp_path):
    table = "case_id\tsubject_id\tt1\n\u5934\u90e8\tM\u00fcller\tnowhere.nii.gz\n"
    (tmp_path / "cases.tsv").write_text(table, encoding="utf-8")
    code = "from neurotarget.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "lint", "cases.tsv"],
        cwd=tmp_path,
        env=os.environ | LATIN,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert rb"\u5934\u90e8" in done.stdout + done.stderr
    assert b"Traceback" not in done.stderr


def test_a_name_that_no_file_can_have_here_is_told(capsys):
    @exits_with_sentence
    def write() -> None:
        "\u5934.nii.gz".encode("ascii")

    with pytest.raises(SystemExit, match="2"):
        write()
    error = capsys.readouterr().err
    assert r"'\u5934': found letters that ascii does not have" in error
    assert "set PYTHONUTF8=1" in error
