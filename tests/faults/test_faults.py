"""Tests with a sample of `make faults`: kills, bad inputs and attacks on every command."""

import pytest

from faults.__main__ import make_trained, part_of
from faults.attack import AttackTrial
from faults.attacks import attacks
from faults.bad_headers import headers
from faults.bad_input import Bad, InputTrial, fault_of
from faults.bad_runs import runs
from faults.bad_tables import tables
from faults.kills import Campaign
from faults.scenarios import SCENARIOS


@pytest.fixture(scope="module")
def state(fork_server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults") / "state"
    make_trained(fork_server, folder)
    return folder


@pytest.mark.parametrize("name", ["train", "predict", "qsm"])
def test_a_killed_command_comes_back_exactly(fork_server, tmp_path, name):
    scenario = next(one for one in SCENARIOS if one.name == name)
    campaign = Campaign(fork_server, scenario, tmp_path)
    for number in (campaign.operations // 5, campaign.operations * 4 // 5):
        found = campaign.kill(number)
        assert found.fired
        assert not found.problem, found


def test_bad_inputs_are_answered_in_a_sentence(fork_server, state, tmp_path):
    tries = InputTrial(fork_server, state, tmp_path / "work")
    wrong = {}
    for bad in part_of([*headers(), *tables(), *runs()], share=1 / 20, seed=5):
        _, problem = tries(bad)
        if problem:
            wrong[bad.name] = problem
    assert not wrong


def test_attacks_do_not_escape(fork_server, state, tmp_path):
    tried = AttackTrial(fork_server, state, tmp_path / "attack")
    wrong = {}
    for attack in part_of(list(attacks()), share=1 / 12, seed=3):
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
