"""Files of a localiser that a kill or a loss of power has left cut."""

import json
from dataclasses import asdict

import pytest
import torch

from neurotarget.data.batches.target_boxes import Boxes
from neurotarget.inference.localiser import Limits
from neurotarget.runs.network.localiser_files import BOXES, LIMITS, is_whole, localiser_facts

PART = {"cases": 2, "found": 1, "missed": 1, "fallbacks": 0, "error_mm_median": None}
FACTS = {"training": PART, "other": PART}
FILES = [BOXES, LIMITS, "config.yaml", "last.ckpt"]


@pytest.fixture
def folder(tmp_path):
    boxes = Boxes(2.0, (8.0, 8.0, 8.0), {"a": None}, {"a": None}, ())
    limits = Limits((8.0, 8.0, 8.0), (1.0, 9.0), 2.0, (8.0, 8.0, 8.0), 0.5, 2.0, 0.5)
    (tmp_path / BOXES).write_text(json.dumps({"boxes": boxes.as_dict(), "facts": FACTS}))
    (tmp_path / LIMITS).write_text(json.dumps(asdict(limits)))
    (tmp_path / "config.yaml").write_text("name: a")
    torch.save({"state_dict": {}}, tmp_path / "last.ckpt")
    return tmp_path


def test_a_localiser_as_it_was_written_is_whole(folder, capsys):
    assert is_whole(folder, folder / "last.ckpt")
    assert localiser_facts(folder) == FACTS
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000])
@pytest.mark.parametrize("name", FILES)
def test_a_broken_file_is_named(folder, capsys, name, text):
    (folder / name).write_text(text)
    assert not is_whole(folder, folder / "last.ckpt")
    assert f"{folder / name}: is broken; the localiser is trained again" in capsys.readouterr().out


def test_without_boxes_a_localiser_is_not_begun_or_not_finished(folder, capsys):
    (folder / BOXES).unlink()
    assert not is_whole(folder, folder / "last.ckpt")
    assert localiser_facts(folder) == {}
    assert capsys.readouterr().out == ""
