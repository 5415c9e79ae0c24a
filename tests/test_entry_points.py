"""The two scripts from a shell, in a folder of their own: what a stranger types first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["train.py"], "error: target: nothing is chosen; say target=<"),
        (["train.py", "target=pituitary"], "error: data.root is not set"),
        (["predict.py"], "say python predict.py run=<run folder> input=<"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_too_few_words_are_answered_with_what_to_say(tmp_path, words, told):
    command = [sys.executable, str(ROOT / words[0]), *words[1:]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("asked", "found"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise(asked, found):
    kept = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    code = (
        "import os, sys; import neurotarget.cli; "
        "print('torch' in sys.modules, os.environ['OMP_WAIT_POLICY'])"  # torch reads it only once
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=kept | ({"OMP_WAIT_POLICY": asked} if asked else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", found]
