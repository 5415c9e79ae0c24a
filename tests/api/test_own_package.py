"""A user's own package, as docs/extending.md has it, in a training of seconds."""

import re
import sys
from functools import reduce, wraps
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import neurotarget as nt
from neurotarget.cli.configs.overrides import check_overrides
from neurotarget.process.programs import home
from neurotarget.runs.folder.foreign import refuse_replayed
from oracles.balls import TARGET, write_cohort

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
BLOCK = re.compile(r"```(?:python|yaml)\n# (\S+\.(?:py|yaml))\n(.*?)```", re.DOTALL)
METRIC = "centre_distance_mm"
USED = (
    ("nets", "TwoConvolutions.forward"),
    ("losses", "FocalLoss.forward"),
    ("transforms", "scale_grey"),
    ("metrics", METRIC),
    ("callbacks", "LossFile.on_validation_end"),
    ("data", "Adults.obtain"),
    ("data", "CountedData.train_dataloader"),
    ("tasks", "ShareTask.training_step"),
)
SETTINGS = {
    "root": "data",
    "data__patches_per_epoch": 24,
    "data__batch_size": 4,
    "data__workers": 0,
    "trainer__accelerator": "cpu",
    "optimizer__lr": 0.01,
    "logger__wandb": "disabled",
    "logger__pictures": 0,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    (folder / "data").mkdir()
    write_cohort(folder / "data")
    (folder / "conf" / "target").mkdir(parents=True)
    (folder / "conf" / "target" / "amygdala.yaml").write_text(TARGET)
    for name, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module", autouse=True)
def here(place):
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(place)
        patched.syspath_prepend(place)
        yield place
        for name in [name for name in sys.modules if name.partition(".")[0] == "mypackage"]:
            del sys.modules[name]


@pytest.fixture(scope="module")
def called(here) -> set[str]:
    """Names of the functions of the package that were called."""
    return set()


@pytest.fixture(scope="module")
def run(here, called) -> nt.Run:
    for module, name in USED:
        *parents, last = name.split(".")
        owner = reduce(getattr, parents, import_module(f"mypackage.{module}"))
        setattr(owner, last, recorded(getattr(owner, last), name, called))
    return nt.train("mine", folder="run", trainer__max_epochs=2, **SETTINGS)


def recorded(function, name, called):
    """The function, which notes its name when it is called."""

    @wraps(function)
    def noted(*args, **kwargs):
        called.add(name)
        return function(*args, **kwargs)

    return noted


def test_each_part_is_used(run, called):
    assert called == {name for _, name in USED}
    assert len((run.folder / "val_loss.tsv").read_text().splitlines()) == 2
    assert "train/target_share" in (run.folder / "logs" / "metrics.csv").read_text()
    assert set(pd.read_csv("data/adults.tsv", sep="\t")["age"].between(30, 99)) == {True}


def test_an_own_metric_has_rows_a_unit_and_means(run):
    rows = run.rows[run.rows["metric"] == METRIC]
    assert set(rows["label"]) == {"core", "shell"}
    assert set(rows["unit"]) == {"mm"}
    known = rows[(rows["label"] == "shell") & rows["value"].notna()]["value"]
    scores = run.tables["scores"].query("metric == @METRIC and label == 'shell' and level == 'all'")
    assert len(known)
    assert scores["mean"].item() == pytest.approx(known.mean())
    assert scores["unit"].item() == "mm"
    assert run.summary["scores"][METRIC]["shell"]["mean"] == pytest.approx(known.mean())
    assert METRIC in str(run)


def test_a_study_of_the_rows_has_the_own_metric(run, tmp_path):
    found = nt.study(rows=run.folder, output=tmp_path / "study", cases=0)
    assert METRIC in set(found.tables["scores"]["metric"])


def test_masks_are_scored_by_an_own_metric(run, tmp_path):
    people = pd.read_csv("data/manifest.tsv", sep="\t")
    for column in ("t1", "label"):
        people[column] = "data/" + people[column]
    (tmp_path / "masks").mkdir()
    for case in people["case_id"]:
        source = Path("data").resolve() / f"{case}_seg.nii.gz"
        (tmp_path / "masks" / f"{case}.nii.gz").symlink_to(source)

    def shared_voxels(reference, predicted, spacing_mm):
        return np.count_nonzero(reference & predicted) * spacing_mm[0]

    own = {"shared": (shared_voxels, "voxels")}
    rows = nt.evaluate(tmp_path / "masks", people, "amygdala", metrics=own)
    volume = rows[rows["metric"] == "volume_mm3"]["value"].to_numpy()
    assert np.array_equal(rows[rows["metric"] == "shared"]["value"], volume)  # voxels of 1 mm³


def test_only_an_own_network_needs_trust_to_predict(run, tmp_path):
    with pytest.raises(nt.DataError, match=r"mypackage\.nets\.TwoConvolutions.*trust=true"):
        run.predict("data/sub-00.nii.gz", tmp_path / "a", device="cpu")
    trusted = run.predict("data/sub-00.nii.gz", tmp_path / "b", device="cpu", trust=True)
    assert not len(trusted.failed)
    small = {"model": "resunet", "model__widths": [4, 8], "held_out": False}
    other = nt.train("mine", folder="other", trainer__max_epochs=1, **SETTINGS, **small)
    found = other.predict("data/sub-00.nii.gz", tmp_path / "c", device="cpu")
    assert found.table["status"].tolist() == ["done"]


def test_a_recorded_override_that_names_own_code_is_not_repeated(here):
    for word in ("+metrics.a._target_=mypackage.metrics.f", "loss._target_=mypackage.losses.L"):
        with pytest.raises(nt.DataError, match=r"names code to call.*trust=true"):
            refuse_replayed([word], here)


COMMANDS = re.findall(r"(?m)^neurotarget train (.*)$", PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_composes(here, command):
    arguments = ["--config-dir=conf", *command.split()]
    assert check_overrides(arguments, home() / "conf", "train").augment


WRONG = {
    "augment__grey": ("{_target_:mypackage.transforms.scale_gray}", "did you mean .*scale_grey"),
    "augment__gray": ("{p:1}", "augment: found 'gray', wanted one of"),
    "augment__grey__most_": (1, "no such setting 'most_'; did you mean most"),
    "augment__grey__p": (2, r"augment\.grey\.p: found 2, wanted a probability"),
    "loss__gama": (1, "FocalLoss: no such setting 'gama'; did you mean gamma"),
    "metrics__a": ("{_target_:mypackage.metric.f}", "there is no module mypackage.metric"),
    "metrics__dice": (f"{{_target_:mypackage.metrics.{METRIC}}}", "a name that is taken"),
    "metrics__b": ("{_target_:operator.add}", r"metrics\.b: found an error in a test"),
    "callbacks__a": ("{_target_:mypackage.nets.TwoConvolutions,in_channels:1,num_labels:2}", "wan"),
    "callbacks__b": ("x", r"callbacks\.b: found 'x', wanted null, or keys with values"),
    "callback__a": ("{_target_:mypackage.callbacks.LossFile}", "nothing reads, wanted callbacks"),
    "data__source__folder": ("x", "Adults: no such setting 'folder'"),
    "callbacks": ("x", "found no keys, wanted keys with values"),
}


@pytest.mark.parametrize("key", WRONG)
def test_a_mistake_is_one_sentence(here, key):
    value, match = WRONG[key]
    word = f"+{key.replace('__', '.')}={value}".replace("+augment.grey.p", "augment.grey.p")
    if word.startswith("+augment.grey={"):
        word = word[1:]
    with pytest.raises(nt.DataError, match=match) as caught:
        nt.train("mine", folder="wrong", overrides=[word], **SETTINGS)
    assert "\n" not in str(caught.value)
