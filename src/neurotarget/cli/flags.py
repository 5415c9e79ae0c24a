"""Words of a command that are true or false."""

from collections.abc import Mapping

from neurotarget.problems import DataError

FLAGS = {"true": True, "false": False}


def flag(words: Mapping[str, str], key: str, *, default: bool = False) -> bool:
    """A word that is true or false.

    Raises:
        DataError: it is neither.
    """
    value = words.get(key, str(default)).lower()
    if value not in FLAGS:
        raise DataError(f"{key}: found {words[key]}, wanted true or false")
    return FLAGS[value]
