"""The list of networks that ship, and model cards in the terminal."""

import pytest
import torch

from neurotarget.cli.commands.weights import run
from neurotarget.problems import DataError
from neurotarget.runs.network import shipped
from neurotarget.runs.network.network_file import write_network_file

CARD = "# balls\n\nSegments balls.\n\n## Licences\nCC0.\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    write_network_file(
        tmp_path / "ball.safetensors", {"name": "ball"}, CARD, {"0.a": torch.ones(1)}
    )
    return tmp_path


def test_networks_that_ship_are_listed_with_what_they_do(folder, capsys):
    assert run([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["network", "MB", "what"]
    assert lines[2].split() == ["ball", "0.0", "Segments", "balls."]


@pytest.mark.parametrize("place", ["ball", "{folder}/ball.safetensors"])
def test_a_card_is_printed_by_name_or_file(place, folder, capsys):
    run([place.format(folder=folder)])
    assert capsys.readouterr().out == f"{CARD}\n"


def test_an_unknown_name_lists_what_there_is(folder):
    with pytest.raises(DataError, match=r"bal: .*did you mean ball\? known are ball"):
        run(["bal"])


def test_without_networks_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "none")
    run([])
    assert capsys.readouterr().out == "No trained networks come with this version.\n"
