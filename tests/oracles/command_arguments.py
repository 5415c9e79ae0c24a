"""Arguments of a command from a mapping."""

from collections.abc import Mapping


def as_arguments(values: Mapping[str, object]) -> list[str]:
    """`key=value` for each item."""
    return [f"{key}={value}" for key, value in values.items()]
