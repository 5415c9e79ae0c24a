"""Output of older versions, which kept no record: it is recognised by the names of files."""

from collections.abc import Iterator
from pathlib import Path

from neurotarget.files.reading import load_yaml, opened, read_plain
from neurotarget.runs.folder.multirun import MULTIRUN

PAGES = ("report.html", "compare.html", "sweep.html")
MARKS = {  # keys that distinguish files of a run from others of the same name
    "config.yaml": {"target", "patch_vox", "paths"},
    MULTIRUN: {"words", "jobs"},
}
GENERATOR = b'name="generator" content="neurotarget"'
HEAD_BYTES = 4096  # of a page; its generator is named there
NAMES = (
    *("run.json", "config.yaml", "overrides.yaml", "splits.tsv", "cases.tsv", "cost.json"),
    *("postprocessing.json", "summary.json", "rows.csv", "methods.tsv", "weights/*.ckpt"),
    *("data.json", "logs/metrics*.csv", "localiser/*.*", MULTIRUN, "trials.tsv"),
    *(*PAGES, "compare.md", "compare.tsv"),
)
TABLES = ("study/*.tsv", "compare/*.tsv")
FIGURES = (  # prefixes of figures of a study or a comparison
    *("effects", "volumes", "ages", "scatter", "bland_altman", "parts", "dice", "failures"),
    *("sites", "ranks", "differences", "costs", "icc"),
)
PICTURES = ("failed", "flagged", "worst", "median", "best", "smallest", "largest", "scan")
MAPS = ("maps/*_desc-*_Chimap.nii.gz", "maps/*_desc-*_swi.nii.gz")


def older_output(folder: Path) -> list[Path] | None:
    """Return the files that an older version wrote into a folder; None for any other folder.

    The folder is of a run, a study or a comparison. Masks are left out: the record of their own
    folder lists those that neurotarget wrote.
    """
    if not _is_ours(folder):
        return None
    return [path for pattern in _patterns() for path in sorted(folder.glob(pattern))]


def _patterns() -> Iterator[str]:
    yield from (*NAMES, *TABLES, *MAPS)
    for room in ("study", "compare"):
        yield from (f"{room}/figures/{name}*.[sp][vn]g" for name in FIGURES)
    yield from (f"pictures/{name}_*.[sp][vn]g" for name in PICTURES)


def _is_ours(folder: Path) -> bool:
    if {"id", "versions"} <= read_plain(folder / "run.json").keys():
        return True
    if any(keys <= _keys(folder / name) for name, keys in MARKS.items()):
        return True
    return any(GENERATOR in _head(folder / page) for page in PAGES)


def _keys(path: Path) -> set[str]:
    try:
        content = load_yaml(path)
    except (OSError, ValueError):
        return set()
    return set(content) if isinstance(content, dict) else set()


def _head(page: Path) -> bytes:
    try:
        with opened(page) as stream:
            return stream.read(HEAD_BYTES)
    except OSError:
        return b""
