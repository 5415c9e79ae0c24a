"""Any value of a setting, any record of a run and any target is taken or refused in sentences."""

import copy
from functools import cache
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from neurotarget.cli.argv import literal, resumed_argv
from neurotarget.cli.configs.check_config import check_train
from neurotarget.files.reading import load_yaml
from neurotarget.problems import DataError
from neurotarget.runs.folder.foreign import read_foreign
from neurotarget.runs.network.objects import build_foreign
from neurotarget.types import Target

CONF = Path(__file__).parents[2] / "conf"
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
TARGET = {
    "_target_": "neurotarget.types.Target",
    "name": "a",
    "contrasts": ["t1"],
    "labels": {"a": 1},
    "spacing_mm": [1, 1, 1],
    "patch_vox": [8, 8, 8],
}
LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])


@cache
def composed():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return OmegaConf.to_container(compose("train", ["target=pituitary"]), resolve=True)


def leaves(node, above=()):
    for name, value in node.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*above, name))
        elif not str(name).startswith("_"):
            yield (*above, name)


@pytest.fixture(scope="module")
def keys():
    return sorted(leaves(composed()))


def tried(act, *values):
    """What a call gives, and the sentences where it refuses."""
    try:
        return act(*values), ""
    except DataError as refused:
        return None, str(refused)


@settings(max_examples=80)
@given(data=st.data(), value=VALUES)
def test_any_value_of_a_setting_is_taken_or_refused(keys, data, value):
    *path, last = data.draw(st.sampled_from(keys))
    config = copy.deepcopy(composed())
    node = config
    for name in path:
        node = node[name]
    is_as_before = node[last] == value and type(node[last]) is type(value)
    node[last] = value
    _, refused = tried(check_train, config)
    if refused:
        assert not is_as_before
        assert ".".join([*path, last]) in refused


@settings(max_examples=80)
@given(text=st.text(LETTERS, min_size=1, max_size=12))
def test_a_path_of_any_letters_is_read_as_it_was_typed(text):
    assume(text not in ("null", "???") and text[0] not in "~'\"" and "${" not in text)
    (read,) = OverridesParser.create().parse_overrides([literal(f"data.root={text}")])
    assert read.value() == text


@settings(max_examples=80)
@given(words=VALUES | st.lists(st.sampled_from(["seed=1", "a=b", "-m", "x"]) | st.text(max_size=9)))
def test_any_record_of_a_run_is_replayed_or_refused(tmp_path, words):
    (tmp_path / "overrides.yaml").write_text(yaml.safe_dump(words))
    made, refused = tried(resumed_argv, [f"resume={tmp_path}"])
    if refused:
        assert str(tmp_path) in refused
    else:
        assert made[-2:] == [f'resume="{tmp_path}"', f'hydra.run.dir="{tmp_path}"']


@settings(max_examples=80)
@given(text=st.text(max_size=40) | VALUES.map(yaml.safe_dump))
def test_any_file_of_settings_is_read_or_refused(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    found, refused = tried(read_foreign, path)
    if refused:
        assert str(path) in refused
    else:
        assert list(found) == list(load_yaml(path))


@settings(max_examples=80)
@given(
    key=st.sampled_from([*TARGET, "hypotheses", "roi", "pairs", "published", "units"]), value=VALUES
)
def test_any_target_is_built_or_refused(key, value):
    found, refused = tried(build_foreign, TARGET | {key: value})
    assert isinstance(found, Target) or refused
    assert "\n" not in refused
