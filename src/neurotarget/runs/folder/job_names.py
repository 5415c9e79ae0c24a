"""Folder names of jobs, made of the overrides that are swept."""

import re
from collections.abc import Sequence

from neurotarget.files.hashes import hash_of_text

LONGEST = 120  # characters; many file systems allow 255
UNSAFE = re.compile(r"[^\w.+@-]+", re.ASCII)
MARK = 8  # characters of a hash


def job_name(swept: Sequence[str]) -> str:
    """Name of the job with these swept overrides, such as `model=unet,data.fold=0`.

    It depends only on its own overrides, so that a job keeps its folder when others are added. If
    characters had to be replaced, as in lists and paths, a hash of the overrides keeps names
    distinct.
    """
    overrides = [override.lstrip("+~") for override in swept]
    name = ",".join(_slug(override) for override in overrides) or "job"
    if len(name) <= LONGEST and name == (",".join(overrides) or "job"):
        return name
    return marked(name, swept)


def marked(name: str, overrides: Sequence[str]) -> str:
    """A name of at most `LONGEST` characters that ends in a hash of the overrides.

    The end of the name is cut, never the hash.
    """
    mark = hash_of_text("\0".join(overrides), MARK)
    return f"{name[: LONGEST - MARK - 1].rstrip(',=-')}-{mark}"


def _slug(override: str) -> str:
    key, _, value = override.partition("=")
    return f"{_safe(key)}={_safe(value)}"


def _safe(text: str) -> str:
    safe = UNSAFE.sub("-", text)
    return safe if safe == text else safe.strip("-")
