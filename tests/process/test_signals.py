"""What a signal does to a process, seen from outside."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from neurotarget.problems import DataError
from neurotarget.process.exit_codes import exits_with_sentence
from neurotarget.process.signals import Stopped, resumable_with, same_command, signal_of, stoppable

PROGRAM = """
import os, signal, sys, time
from neurotarget.process.signals import resumable_with, listen, stoppable

def act():
    with resumable_with("python train.py resume=runs/a"):
        if "fork" in sys.argv:
            if os.fork() == 0:
                time.sleep(60)
            time.sleep(0.5)  # in a process just forked Python forgets signals
        try:
            print("ready", flush=True)
            time.sleep(60)
        finally:
            time.sleep(0.3)
            print("cleaned", flush=True)

listen()
stoppable(act)()
"""


def stopped(number, *arguments, times=1, before=None):
    """Status, output and errors of a program that gets a signal, and seconds that it took."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=before or (lambda: signal.signal(signal.SIGINT, signal.default_int_handler)),
    )
    assert process.stdout.readline() == "ready\n"
    for _ in range(times):
        os.killpg(process.pid, number)
    time.sleep(0.1)
    if process.poll() is None and before:
        os.killpg(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("number", "how"),
    [(signal.SIGINT, ""), (signal.SIGTERM, " by SIGTERM"), (signal.SIGHUP, " by SIGHUP")],
)
def test_a_signal_is_one_sentence_and_its_own_status(number, how):
    status, out, err = stopped(number)
    assert (status, out) == (128 + number, "cleaned\n")
    wanted = (
        f"\nstopped{how}; what was finished is kept; resume with: python train.py resume=runs/a\n"
    )
    assert err == wanted


def test_the_same_stop_twice_does_not_break_the_cleaning():
    status, out, err = stopped(signal.SIGTERM, times=5)
    assert (status, out, err.count("stopped")) == (143, "cleaned\n", 1)


def test_a_forked_process_ends_without_a_word():
    status, out, err = stopped(signal.SIGTERM, "fork")
    assert (status, out) == (143, "cleaned\n")
    assert re.fullmatch("\nstopped by SIGTERM; .*\n", err)


def test_what_nohup_ignores_stays_ignored():
    status, _, err = stopped(
        signal.SIGHUP, before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    assert (status, "by SIGTERM" in err) == (143, True)


def test_lightnings_exits_are_known_for_the_stops_that_they_were():
    def lightning():
        try:
            raise Stopped(signal.SIGTERM)
        except KeyboardInterrupt:
            sys.exit(1)

    with pytest.raises(SystemExit, match="1") as ended:
        lightning()
    assert signal_of(ended.value) == signal.SIGTERM
    sigterm = type("SIGTERMException", (SystemExit,), {})
    assert signal_of(sigterm()) == signal.SIGTERM
    assert signal_of(KeyboardInterrupt()) == signal.SIGINT
    for error in (SystemExit(1), SystemExit(3), ValueError(), None):
        assert signal_of(error) is None


def test_an_exit_of_its_own_passes():
    def ends():
        with resumable_with("never"):
            sys.exit(3)

    with pytest.raises(SystemExit, match="3"):
        stoppable(ends)()


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        ("/venv/bin/neurotarget", "neurotarget"),
        ("/venv/neurotarget/__main__.py", "python -m neurotarget"),
        ("a b/predict.py", "python 'a b/predict.py'"),
    ],
)
def test_the_same_command_is_shown_as_a_shell_reads_it(monkeypatch, program, shown):
    monkeypatch.setattr(sys, "argv", [program])
    assert same_command(["output=a b", "c"]) == f"{shown} 'output=a b' c"


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (DataError("a: cannot be written (No space left on device); make room"), True),
        (OSError(28, "No space left on device", "a"), True),
        (MemoryError(), True),
        (DataError("a: found no label, wanted one"), False),
        (FileNotFoundError(2, "No such file or directory", "a"), False),
    ],
)
def test_a_full_disk_and_lack_of_memory_name_the_command_too(capsys, error, named):
    @exits_with_sentence
    def act():
        with resumable_with("neurotarget prepare a"):
            raise error

    with pytest.raises(SystemExit, match="2"):
        act()
    assert capsys.readouterr().err.endswith("resume with: neurotarget prepare a\n") is named
