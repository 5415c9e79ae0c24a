"""Descriptions are read from regular files, and whatever is wrong with them is a ValueError."""

import pytest
from omegaconf import OmegaConf

from neurotarget.files.reading import load_json, load_yaml, read_plain

DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (DEEP, "too deep"),
        ("a: [1", "expected"),
        ("a: !!bool x", "x"),
        ("a: !!timestamp x", "group"),
        ('a: !!int ""', "index"),
        ("a: 1\na: 2", "the key a stands 2 times"),
        ("!!python/object/apply:os.getcwd []", "could not determine a constructor"),
        (b"a: \xff", "utf-8"),
    ],
)
def test_broken_yaml_is_a_value_error(tmp_path, text, reason):
    path = tmp_path / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=reason):
        load_yaml(path)


def test_yaml_has_the_values_that_hydra_reads(tmp_path):
    text = "{a: 1e-3, b: 2001-99-99, c: .5, d: 1., e: 1e5, f: .inf, h: 1e, i: 10}"
    (tmp_path / "a.yaml").write_text(text)
    found = load_yaml(tmp_path / "a.yaml")
    assert found == OmegaConf.to_container(OmegaConf.load(tmp_path / "a.yaml"))
    assert (found["a"], found["b"], found["h"]) == (0.001, "2001-99-99", "1e")


def test_deep_json_is_a_value_error(tmp_path):
    (tmp_path / "a.json").write_text(DEEP)
    with pytest.raises(ValueError, match="too deep"):
        load_json(tmp_path / "a.json")


@pytest.mark.parametrize("text", ["", "[1]", '"a"', DEEP, '{"a": 1'])
def test_what_is_no_mapping_is_an_empty_one(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    assert read_plain(tmp_path / "a.json") == {}


def test_an_absent_file_is_an_empty_mapping_and_a_whole_one_is_read(tmp_path):
    assert read_plain(tmp_path / "a.json") == {}
    (tmp_path / "a.json").write_text('{"a": 1}')
    assert read_plain(tmp_path / "a.json") == {"a": 1}
