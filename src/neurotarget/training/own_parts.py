"""Transforms, metrics and callbacks from the user's own package."""

from collections.abc import Mapping
from typing import Any

from pytorch_lightning.callbacks import Callback

from neurotarget.data.augmentation.augment import OwnTransform
from neurotarget.metrics.own_metrics import OwnMetric, try_metrics
from neurotarget.problems import DataError
from neurotarget.runs.network.objects import build, function_of

Node = Mapping[str, Any]
Nodes = Mapping[str, Node | None]


def own_augmentation(settings: Nodes | None) -> dict[str, Node | OwnTransform | None]:
    """Return augmentation settings, with each node that has a `_target_` built as a transform.

    Args:
        settings: parameters by name of a transform; null leaves a transform out.

    Raises:
        DataError: a transform is not found, or one of its settings is invalid.
    """
    return {name: _own_transform(name, node) for name, node in (settings or {}).items()}


def own_metrics(nodes: Nodes | None) -> dict[str, OwnMetric]:
    """Build the user's own metrics by name, and test each metric on two small masks.

    Args:
        nodes: `_target_`, settings and `unit` by name; null leaves a metric out.

    Raises:
        DataError: a metric is not found, a setting is invalid, or the result is not a number.
    """
    made = {
        name: OwnMetric(function_of(_without(node, "unit")), str(node.get("unit", "")))
        for name, node in _given(nodes).items()
    }
    try_metrics(made)
    return made


def own_callbacks(nodes: Nodes | None) -> list[Callback]:
    """Build the user's own Lightning callbacks, in order; null leaves a callback out.

    Raises:
        DataError: a callback is not found, is not a callback, or has an invalid setting.
    """
    made = {name: build(node) for name, node in _given(nodes).items()}
    for name, one in made.items():
        if not isinstance(one, Callback):
            raise DataError(
                f"callbacks.{name}: found {type(one).__name__}, wanted a "
                "pytorch_lightning.callbacks.Callback; let the class inherit from it"
            )
    return list(made.values())


def _own_transform(name: str, node: Node | None) -> Node | OwnTransform | None:
    if not isinstance(node, Mapping) or "_target_" not in node:
        return node
    p = node.get("p", 1.0)
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
        raise DataError(
            f"augment.{name}.p: found {p!r}, wanted a probability from 0 to 1; correct conf/augment"
        )
    return OwnTransform(name, function_of(_without(node, "p")), p)


def _given(nodes: Nodes | None) -> dict[str, Node]:
    return {name: node for name, node in (nodes or {}).items() if node is not None}


def _without(node: Node, key: str) -> Node:
    return {name: value for name, value in node.items() if name != key}
