"""Tests with a sample of `make faults`: kills, bad inputs and attacks on every command."""

import shutil

import pytest

from faults.__main__ import every_attack, every_bad_input, part_of
from faults.attack import AttackTrial
from faults.bad_input import Bad, InputTrial, fault_of
from faults.kills import Campaign
from faults.scenarios import SCENARIOS

KNOWN = {one.name: one for one in SCENARIOS}


@pytest.fixture(scope="module")
def training(fork_server, tmp_path_factory):
    """The kills of a training, and the state that it leaves."""
    folder = tmp_path_factory.mktemp("faults")
    campaign = Campaign(fork_server, KNOWN["train"], folder / "training")
    shutil.copytree(campaign.work, folder / "state", symlinks=True)
    return campaign, folder / "state"


@pytest.fixture(scope="module")
def state(training):
    """A folder with the balls and a run on them."""
    return training[1]


def killed(campaign, share):
    found = campaign.kill(round(campaign.operations * share))
    assert found.fired
    assert not found.problem, found


def test_a_training_killed_in_its_study_comes_back_exactly(training):
    killed(training[0], 0.8)  # tests/cli/test_flow.py kills one as it trains


@pytest.mark.parametrize("name", ["predict", "qsm"])
def test_a_killed_command_comes_back_exactly(fork_server, state, tmp_path, name):
    campaign = Campaign(fork_server, KNOWN[name], tmp_path, state)
    for share in (0.2, 0.8):
        killed(campaign, share)


def test_bad_inputs_are_answered_in_a_sentence(fork_server, state, tmp_path):
    tries = InputTrial(fork_server, state, tmp_path / "work")
    wrong = {}
    for bad in part_of(every_bad_input(), share=1 / 60, seed=5):
        _, problem = tries(bad)
        if problem:
            wrong[bad.name] = problem
    assert not wrong


def test_attacks_do_not_escape(fork_server, state, tmp_path):
    tried = AttackTrial(fork_server, state, tmp_path / "attack")
    wrong = {}
    for attack in part_of(every_attack(), share=1 / 60, seed=3):
        _, problem = tried(attack)
        if problem:
            wrong[attack.name] = problem
    assert not wrong


def test_the_harness_sees_a_command_that_answers_badly(fork_server, state, tmp_path):
    tries = InputTrial(fork_server, state, tmp_path / "work")
    good = Bad("all is well", ["neurotarget", "lint", "data/manifest.tsv", "target=ball"], id)
    outcome, problem = tries(good)
    assert outcome.status == 0
    assert problem.startswith("ended with 0")
    assert fault_of(good, outcome) == problem
