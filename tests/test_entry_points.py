"""The two scripts from a shell, in a folder of their own: what a stranger types first."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from neurotarget.process.waiting import wait_policy

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["train.py"], "error: target: nothing is chosen; set target=<"),
        (["train.py", "target=pituitary"], "error: data.root is not set"),
        (["predict.py"], "/predict.py run=<run folder> input=<"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_too_few_arguments_are_answered_with_what_to_type(tmp_path, command, arguments, error):
    done = command(*arguments, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert error in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ([ROOT / "train.py"], signal.SIGINT),
        ([ROOT / "train.py"], signal.SIGTERM),
        ([ROOT / "predict.py"], signal.SIGTERM),
        (["-m", "neurotarget", "lint", "a.tsv"], signal.SIGINT),
    ],
)
def test_a_stop_while_torch_is_loaded_is_one_sentence(tmp_path, words, number):
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", *map(str, words)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while "numpy" not in process.stderr.readline():  # which torch imports early
        assert process.poll() is None
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    how = "" if number == signal.SIGINT else " by SIGTERM"
    assert process.returncode == 128 + number
    assert err.endswith(f"\nstopped{how} before anything was started\n")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("load", "cores", "policy"), [(0.5, 2, None), (3.0, 2, None), (3.1, 2, "PASSIVE")]
)
def test_threads_sleep_while_they_wait_on_a_busy_machine_only(load, cores, policy):
    assert wait_policy(load, cores) == policy


def test_the_users_choice_of_waiting_stays_and_torch_is_not_loaded_before():
    code = (
        "import os, sys; os.getloadavg = lambda: (1e6, 0, 0); import neurotarget.cli; "
        "print('torch' in sys.modules, os.environ['OMP_WAIT_POLICY'])"  # torch reads it only once
    )
    kept = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    for policy, found in ((None, "PASSIVE"), ("ACTIVE", "ACTIVE")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=kept | ({"OMP_WAIT_POLICY": policy} if policy else {}),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == ["False", found]
