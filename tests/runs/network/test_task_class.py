import pytest

from neurotarget.problems import DataError
from neurotarget.runs.network.task_class import KINDS, task_class, task_kind


@pytest.mark.parametrize("path", KINDS)
def test_a_task_is_of_the_kind_that_predicts_for_it(path):
    config = {"task": {"_target_": path}}
    task, kind = task_class(config), task_kind(config)
    assert kind is KINDS[path]
    assert issubclass(task, kind)
    assert task is not kind
    assert task.predictor is kind.predictor


def test_a_kind_alone_is_no_task():
    config = {"task": {"_target_": "neurotarget.tasks.kinds.Segmentation"}}
    with pytest.raises(DataError, match="wanted a subclass of SegmentationTask"):
        task_class(config)
