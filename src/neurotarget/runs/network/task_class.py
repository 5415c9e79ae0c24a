"""The kind of task that a run's configuration names."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from neurotarget.problems import DataError
from neurotarget.runs.network.objects import build, build_foreign, located
from neurotarget.tasks.kinds import (
    Classification,
    NWay,
    Regions,
    Regression,
    Segmentation,
    TaskKind,
)

OURS = "neurotarget.tasks."
BASE = f"{OURS}base.TargetTask"
SEGMENTATION = f"{OURS}segmentation.SegmentationTask"
KINDS: Mapping[str, type[TaskKind]] = {  # of our tasks, whose modules load what trains
    SEGMENTATION: Segmentation,
    f"{OURS}nway.NWayTask": NWay,
    f"{OURS}region_task.RegionTask": Regions,
    f"{OURS}classification.ClassificationTask": Classification,
    f"{OURS}regression.RegressionTask": Regression,
}


def task_class(config: Mapping[str, Any], *, make: Callable[..., Any] = build) -> type[TaskKind]:
    """Class of the task of a configuration, a `TargetTask`; it is loaded with all that trains.

    With `make=build_foreign` the configuration is not trusted: the class of a task outside this
    package is not imported, and the run is treated as the segmentation that such a task extends.

    Raises:
        DataError: the class is no task.
    """
    path = _path(config, make)
    found = located(path)
    if not (inspect.isclass(found) and issubclass(found, located(BASE))):
        raise DataError(
            f"task._target_: found {path}, wanted a subclass of SegmentationTask, "
            "ClassificationTask or RegressionTask of neurotarget.tasks; derive it from one of them"
        )
    return found


def task_kind(config: Mapping[str, Any], *, make: Callable[..., Any] = build) -> type[TaskKind]:
    """Kind of the task of a configuration; the modules that train our own tasks are not loaded.

    A configuration without a task is one of a segmentation.

    Raises:
        DataError: the class is no task.
    """
    return KINDS.get(_path(config, make)) or task_class(config, make=make)


def _path(config: Mapping[str, Any], make: Callable[..., Any]) -> str:
    """Path of the class of the task; for an untrusted configuration, of a class of ours."""
    path = str((config.get("task") or {}).get("_target_", ""))
    is_unused = make is build_foreign and not path.startswith(OURS)
    return SEGMENTATION if not path or is_unused else path
