import importlib
import json

import pytest

from neurotarget.runs.folder.jobs import Job, is_done, write_result
from neurotarget.runs.folder.moved_names import (
    NETS,
    present_name,
    present_overrides,
    with_present_names,
)
from neurotarget.runs.folder.multirun import MULTIRUN, read_multirun, with_earlier_names


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ("neurotarget.models.unet.UNet", "neurotarget.models.nets.unet.UNet"),
        ("neurotarget.models.nets.unet.UNet", "neurotarget.models.nets.unet.UNet"),
        ("neurotarget.models.backbone.Backbone", "neurotarget.models.backbone.Backbone"),
        ("neurotarget.data.sources.Cohort", "neurotarget.phantom.gland.cohort.Cohort"),
        ("neurotarget.phantom.gland.source.Cohort", "neurotarget.phantom.gland.cohort.Cohort"),
        (
            "neurotarget.phantom.dentate.source.QSMCohort",
            "neurotarget.phantom.dentate.cohort.QSMCohort",
        ),
        ("neurotarget.data.sources.Files", "neurotarget.data.cases.sources.Files"),
        ("neurotarget.data.qsm_plan.QsmPlan", "neurotarget.phantom.dentate.plan.QsmPlan"),
        ("os.system", "os.system"),
    ],
)
def test_a_class_of_an_older_version_is_found_where_it_lies_now(then, now):
    assert present_name(then) == now


@pytest.mark.parametrize("name", NETS.split("|"))
def test_every_network_lies_where_its_older_name_leads(name):
    module = present_name(f"neurotarget.models.{name}.Net").rpartition(".")[0]
    assert importlib.import_module(module).__name__ == f"neurotarget.models.nets.{name}"


def test_names_are_renewed_at_any_depth_and_loops_end():
    config = {"a": [{"_target_": "neurotarget.models.unet.UNet", "b": 1}], "c": "x"}
    config["loop"] = config
    found = with_present_names(config)
    assert found["a"][0] == {"_target_": "neurotarget.models.nets.unet.UNet", "b": 1}


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("task.loss.dice_weight=2", "loss.dice_weight=2"),
        ("+task.loss._target_=a.B", "+loss._target_=a.B"),
        ("task.lossy=1", "task.lossy=1"),
        ("name=task.loss", "name=task.loss"),
    ],
)
def test_a_recorded_setting_of_the_loss_is_found_where_it_is_now(before, now):
    assert present_overrides([before]) == (now,)


def test_jobs_of_an_older_multirun_keep_their_folders(tmp_path):
    """Their keys are those of today, and a finished one is not trained again."""
    overrides = ("experiment=pituitary", "task.loss.dice_weight=2")
    jobs = [{"name": "old", "status": "done", "words": [*overrides]}]
    record = {"words": ["task.loss.dice_weight=1,2"], "jobs": jobs}
    (tmp_path / MULTIRUN).write_text(json.dumps(record))
    (tmp_path / "old").mkdir()
    write_result(tmp_path / "old", "done", overrides)
    (job,) = with_earlier_names(tmp_path, [Job("new", present_overrides(overrides))])
    assert job.name == "old"
    assert is_done(tmp_path / "old", job.overrides)
    assert read_multirun(tmp_path) == ["loss.dice_weight=1,2"]
