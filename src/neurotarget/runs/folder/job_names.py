"""Names of jobs: what they are swept over, as a folder can be called."""

import hashlib
import re
from collections.abc import Sequence

LONGEST = 120  # letters; many file systems end at 255
UNSAFE = re.compile(r"[^\w.+@-]+", re.ASCII)
MARK = 8  # letters of a hash


def job_name(swept: Sequence[str]) -> str:
    """Name of the job that has these swept words, such as `model=unet,data.fold=0`.

    It depends on its own words only, so that a job keeps its folder when others are added. Where
    letters had to go, as of lists and paths, a hash of the words keeps names apart.
    """
    words = [word.lstrip("+~") for word in swept]
    name = ",".join(_slug(word) for word in words) or "job"
    if len(name) <= LONGEST and name == (",".join(words) or "job"):
        return name
    return marked(name, swept)


def marked(name: str, words: Sequence[str]) -> str:
    """A name of at most `LONGEST` letters that ends in a hash of the words."""
    mark = hashlib.sha256("\0".join(words).encode()).hexdigest()[:MARK]
    return f"{name[: LONGEST - MARK - 1].rstrip(',=-')}-{mark}"


def _slug(word: str) -> str:
    key, _, value = word.partition("=")
    return f"{_safe(key)}={_safe(value)}"


def _safe(text: str) -> str:
    safe = UNSAFE.sub("-", text)
    return safe if safe == text else safe.strip("-")
