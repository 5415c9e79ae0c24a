"""Data sets of two folders, images and masks with the same names, as most films have.

`images/x.png` belongs to `masks/x.png`, or to the only mask whose name begins with `x` and `_`, `-`
or `.`, as in `x_mask.png`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from neurotarget.data.cases.sources import Files, Source
from neurotarget.data.layouts.masks import place_masks
from neurotarget.data.reading_results import ReadResult
from neurotarget.data.scans.volume import file_stem, film_files, image_files
from neurotarget.data.tables.participants import add_participants
from neurotarget.files.writing import table_text, write_text
from neurotarget.problems import DataError, error, some
from neurotarget.types import Case, Target

IMAGES = "images"
MASKS = ("masks", "labels")


def masks_folder(folder: Path) -> Path | None:
    """Find the folder `masks` or `labels` next to a folder `images`; None unless both exist."""
    there = [folder / name for name in MASKS if (folder / name).is_dir()]
    return there[0] if there and (folder / IMAGES).is_dir() else None


def scan_paired(folder: Path, target: Target | None, *, images_only: bool = False) -> ReadResult:
    """Read the images of a folder with their masks; each image is one case of another person.

    Covariates come from a `participants.tsv` in the folder. A target with several contrasts is a
    problem, since a folder has one image per case.

    Args:
        folder: with `images`, and `masks` or `labels`.
        target: gives the contrast; without a target the contrast is called `image`.
        images_only: read neither masks nor covariates.
    """
    contrasts = target.contrasts if target else ("image",)
    files = image_files(folder / IMAGES) or film_files(folder / IMAGES)
    if len(contrasts) > 1:
        found = f"one image per case for the contrasts {', '.join(contrasts)}"
        todo = "write a table with the columns case_id, one per contrast, and label"
        return ReadResult([], [error(found, "one contrast", todo, file=folder)])
    cases = [Case(file_stem(path), file_stem(path), {contrasts[0]: path}) for path in files]
    masks = masks_folder(folder)
    if images_only or masks is None or not cases:
        return ReadResult(cases, [])
    cases, problems = place_masks(cases, masks)
    cases, wrong = add_participants(cases, folder, target)
    return ReadResult(cases, [*problems, *wrong])


@dataclass(frozen=True)
class NamedImages(Source):
    """Images and masks in two folders; parts of a file name become covariates.

    `pattern` is a regular expression of a whole name without its suffix; each named group becomes a
    column, and the group `subject_id` the person. `table` is the path of the table of all cases,
    which is written and then read as manifest.
    """

    pattern: str
    table: str

    def obtain(self, root: str | None) -> Path:
        """Return the path of the table, or `root` itself if it lacks the two folders.

        Raises:
            DataError: the pattern is no regular expression, or a name does not match.

        The table is written again each time; its paths are absolute. A group of the pattern that
        takes no part in a name gives the text `None`.
        """
        folder = Files().obtain(root)
        if masks_folder(folder) is None:
            return folder
        try:
            pattern = re.compile(self.pattern)
        except re.error as reason:
            raise DataError(
                f"data.source.pattern: found {self.pattern!r}, wanted a regular expression "
                f"({reason}); correct it"
            ) from reason
        cases = scan_paired(folder, None).cases
        parts = {case.case_id: pattern.fullmatch(case.case_id) for case in cases}
        if unlike := [name for name, part in parts.items() if part is None]:
            raise DataError(
                f"{folder}: found {len(unlike)} of {len(parts)} names that do not match "
                f"data.source.pattern ({some(unlike)}), wanted {self.pattern}; correct the "
                "pattern, or give a table of your own: data.root=<table>"
            )
        lines = [
            {"case_id": case.case_id, "image": case.images["image"].resolve()}
            | ({"label": case.label.resolve()} if case.label else {})
            | parts[case.case_id].groupdict(default="")
            for case in cases
        ]
        write_text(self.table, table_text(pd.DataFrame(lines).astype(str)))
        return Path(self.table)

    def planted(self, root: str | None) -> dict[str, float]:  # noqa: ARG002
        """No effects: real data have none planted."""
        return {}
