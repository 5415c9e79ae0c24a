"""The kind of task that a run's configuration names."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from neurotarget.problems import DataError
from neurotarget.runs.network.objects import build, build_foreign, located
from neurotarget.tasks.base import TargetTask
from neurotarget.tasks.segmentation import SegmentationTask

OURS = "neurotarget.tasks."


def task_class(config: Mapping[str, Any], *, make: Callable[..., Any] = build) -> type[TargetTask]:
    """Class of the task of a configuration.

    With `make=build_foreign` the configuration is not trusted: the class of a task outside this
    package is not imported, and the run is treated as the segmentation that such a task extends.

    Raises:
        DataError: the class is no task.
    """
    path = str((config.get("task") or {}).get("_target_", ""))
    if not path or (make is build_foreign and not path.startswith(OURS)):
        return SegmentationTask
    found = located(path)
    if not (inspect.isclass(found) and issubclass(found, TargetTask)):
        raise DataError(
            f"task._target_: found {path}, wanted a subclass of SegmentationTask, "
            "ClassificationTask or RegressionTask of neurotarget.tasks; derive it from one of them"
        )
    return found
