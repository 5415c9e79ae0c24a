"""The completion script in a shell: what bash would offer at the end of a line."""

import shutil
import subprocess
import sys

import pytest

from neurotarget.process.completion import completion_script
from neurotarget.process.programs import commands

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")


def offered(*words):
    """Completions of the last word; bash splits words at `=`."""
    line = " ".join(f"'{word}'" for word in words)
    code = (
        f"{completion_script()}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _neurotarget; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_every_command_is_offered():
    assert {*commands()} <= {*offered("neurotarget", "")}
    assert offered("neurotarget", "stu") == ["study"]


def test_arguments_of_a_command_are_offered():
    assert "output=" in offered("neurotarget", "predict", "out")
    assert offered("neurotarget", "features", "fit") == ["fit_on="]
    assert {"experiment=", "model=", "optimizer="} <= {*offered("neurotarget", "train", "")}


@pytest.mark.parametrize("words", [("experiment", "=", "pitu"), ("target", "=", "pitu")])
def test_names_in_conf_are_offered_for_their_group(words):
    assert "pituitary" in offered("neurotarget", "train", *words)


def test_files_are_left_to_the_shell():
    assert offered("neurotarget", "predict", "input", "=", "sc") == []


def test_the_command_prints_the_script():
    done = subprocess.run(
        [sys.executable, "-m", "neurotarget", "--completion"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == completion_script()
