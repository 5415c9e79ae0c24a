"""Files of the assets folder: templates, scripts, and the long texts of pages."""

import tomllib
from functools import cache
from importlib.resources import files as resources
from typing import Any


@cache
def asset(name: str) -> str:
    """Return the text of an asset file; it is read once."""
    return (resources("neurotarget.report") / "assets" / name).read_text(encoding="utf-8")


@cache
def asset_table(name: str) -> dict[str, Any]:
    """Return the content of `<name>.toml`; callers must not change it.

    It is read once and shared by all callers.
    """
    return tomllib.loads(asset(f"{name}.toml"))


def page_text(key: str, **values: object) -> str:
    """Return a text of `texts.toml` by section and name, such as `study.dice`, filled in.

    Raises:
        KeyError: the text does not exist, or a placeholder has no value here or in the section
            `shared`.
    """
    section, _, name = key.partition(".")
    texts = asset_table("texts")
    return texts[section][name].format_map({**texts["shared"], **values})
