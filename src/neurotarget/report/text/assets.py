"""Files of the assets folder: templates, scripts, and the long texts of pages."""

import tomllib
from functools import cache
from importlib.resources import files as resources
from typing import Any


@cache
def asset(name: str) -> str:
    """Return the text of an asset file."""
    return (resources("neurotarget.report") / "assets" / name).read_text(encoding="utf-8")


@cache
def asset_table(name: str) -> dict[str, Any]:
    """Return the content of `<name>.toml`; callers must not change it."""
    return tomllib.loads(asset(f"{name}.toml"))


def caption(key: str, **values: object) -> str:
    """Return a caption of `captions.toml` by section and name, such as `study.dice`, filled in."""
    section, _, name = key.partition(".")
    captions = asset_table("captions")
    return captions[section][name].format_map({**captions["shared"], **values})
