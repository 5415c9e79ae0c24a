"""Arguments that are true or false."""

from collections.abc import Mapping

from neurotarget.problems import DataError

FLAGS = {"true": True, "false": False}


def flag(words: Mapping[str, str], key: str, *, default: bool = False) -> bool:
    """Value of an argument that is true or false.

    Raises:
        DataError: the value is neither.
    """
    value = words.get(key, str(default)).lower()
    if value not in FLAGS:
        raise DataError(f"{key}: found {words[key]}, wanted true or false")
    return FLAGS[value]
