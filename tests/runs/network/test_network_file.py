"""Files that are not what `export` has written are refused in one sentence."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from neurotarget.problems import DataError
from neurotarget.runs.network.exported_networks import kept_config, networks_in
from neurotarget.runs.network.network_file import (
    FORMAT,
    read_card,
    read_network_file,
    write_network_file,
)
from neurotarget.runs.network.predictor import predictor_of
from oracles.runs import settings_of, write_run

TENSORS = {"0.a": torch.arange(6.0).reshape(2, 3), "0.b": torch.tensor(7)}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "net.safetensors"
    write_network_file(path, {"name": "balls"}, "# balls\nThey are round.\n", TENSORS)
    return path


@pytest.fixture
def document():
    config = kept_config(settings_of("unet", 0, 1, {}))
    members = [{"config": config, "steps": None}]
    return {"neurotarget": "0.1.0", "name": "ball", "members": members, "localiser": None}


def test_a_file_gives_back_what_was_written(file):
    found = read_network_file(file)
    assert found.document == {"format": FORMAT, "name": "balls"}
    assert found.card == read_card(file) == "# balls\nThey are round.\n"
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in TENSORS.items())
    assert found.tensors.keys() == load_file(file).keys()  # as other programs read it


def test_the_hash_is_of_the_content(file, tmp_path):
    again = tmp_path / "again.safetensors"
    texts = ({"name": "balls"}, "# balls\nThey are round.\n")
    assert write_network_file(again, *texts, TENSORS) == read_network_file(file).sha256
    other = {**TENSORS, "0.b": torch.tensor(8)}
    assert write_network_file(again, *texts, other) != read_network_file(file).sha256


def test_each_changed_byte_is_noticed(file):
    raw = file.read_bytes()
    for place in range(0, len(raw), 7):
        file.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        with pytest.raises(DataError, match=r"net\.safetensors: "):
            read_network_file(file)


def test_each_cut_is_noticed(file):
    raw = file.read_bytes()
    for end in (0, 3, 8, 60, len(raw) - 1):
        file.write_bytes(raw[:end])
        with pytest.raises(DataError, match=r"cut short|no exported network"):
            read_network_file(file)


def with_header(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


META = {"neurotarget": json.dumps({"format": FORMAT})}


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"__metadata__": {"format": "pt"}}, "safetensors without the settings of neurotarget"),
        ({"__metadata__": {"neurotarget": "{"}}, "found no exported network"),
        ({"__metadata__": {"neurotarget": "[1]"}}, "found no exported network"),
        ({"__metadata__": {**META, "card": 3}}, "its header has texts of another kind"),
        (b"[" * 100_000, "found no exported network"),
        (b"\xff\xfe{}", "found no exported network"),
        ([], "found no exported network"),
        (
            {"__metadata__": META, "a": {"dtype": "F32", "data_offsets": [0, 1 << 50]}},
            "it states 1,073,741,824 MiB",
        ),
        ({"__metadata__": META, "a": {"data_offsets": "x"}}, "found no exported network"),
        ({"__metadata__": META, "a": {"data_offsets": [0, 4]}}, "wanted .*: it was cut short"),
        ({"__metadata__": META}, "found other content than was written"),
    ],
)
def test_a_foreign_header_is_one_sentence(header, message, tmp_path):
    with_header(tmp_path / "net.safetensors", header)
    with pytest.raises(DataError, match=message):
        read_network_file(tmp_path / "net.safetensors")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "net.safetensors"
    with path.open("wb") as stream:
        stream.write((1 << 60).to_bytes(8, "little"))
        stream.truncate(1 << 40)
    with pytest.raises(DataError, match="does not begin as safetensors do"):
        read_network_file(path)


def test_a_newer_version_says_how_to_update(file):
    write_network_file(file, {"format": FORMAT + 1}, "", TENSORS)
    with pytest.raises(DataError, match=r"format 2 of a newer version.*pip install --upgrade"):
        read_network_file(file)


def test_safetensors_of_others_are_no_network(tmp_path):
    save_file(TENSORS, tmp_path / "net.safetensors")
    with pytest.raises(DataError, match="safetensors without the settings of neurotarget"):
        list(networks_in(tmp_path / "net.safetensors"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": 1}, "found extra in the file, which this version does not know"),
        ({"members": []}, "found no list of networks"),
        ({"members": [{"config": {}}]}, "found no steps of a network"),
        ({"members": [{"config": [], "steps": None}]}, "no keys with values for a network's"),
        ({"members": [{"config": {"paths": {}}, "steps": None}]}, "found paths in a network's"),
        (
            {"members": [{"config": {"data": {"root": "/"}}, "steps": None}]},
            "found root in data, which this version does not know",
        ),
        ({"localiser": {"config": {}, "limits": {"x": 1}}}, "found no limits of a localiser"),
    ],
)
def test_unknown_fields_are_named(change, message, document, tmp_path):
    path = tmp_path / "net.safetensors"
    write_network_file(path, document | change, "", TENSORS)
    with pytest.raises(DataError, match=message):
        list(networks_in(path))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model", {"_target_": "os.system", "command": "true"}, "found _target_ 'os.system'"),
        ("target", {"_target_": "builtins.eval"}, r"found _target_ 'builtins\.eval'"),
        ("target", {"name": "${oc.env:HOME}"}, "no network can be made|wanted a class"),
        ("model", None, "no network can be made of it"),
        ("patch_vox", "huge", "patch_vox: found huge"),
    ],
)
def test_a_foreign_config_calls_nothing_else(key, value, message, document, tmp_path):
    document["members"][0]["config"][key] = value
    path = tmp_path / "net.safetensors"
    write_network_file(path, document, "", TENSORS)
    (network,) = networks_in(path)
    with pytest.raises(DataError, match=message) as refused:
        predictor_of(network, device="cpu")
    assert str(path) in str(refused.value) or key == "patch_vox"


def test_a_network_that_is_larger_than_its_weights_takes_no_memory(document, tmp_path):
    widths = [200_000, 400_000]  # terabytes
    document["members"][0]["config"]["model"]["widths"] = widths
    path = tmp_path / "net.safetensors"
    write_network_file(path, document, "", TENSORS)
    (network,) = networks_in(path)
    with pytest.raises(DataError, match=r"net\.safetensors: the weights do not fit PlainUNet"):
        predictor_of(network, device="cpu")


def test_only_what_predictions_need_is_kept(tmp_path):
    run = write_run(tmp_path / "run", config={"task": {"_target_": "a.B", "loss": 1}})
    assert (run / "config.yaml").is_file()
    kept = kept_config(settings_of("unet", 0, 1, {"task": {"_target_": "a.B", "loss": 1}}))
    assert kept.keys() == {"target", "model", "patch_vox", "windows", "task", "data", "augment"}
    assert kept["task"] == {"_target_": "a.B"}
    assert kept["data"].keys() == {"preparation"}
