"""Files that list findings on films: SIIM's table of runs, COCO's JSON, and that of ChestX-Det."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from neurotarget.data.formats.film import FILM
from neurotarget.data.formats.picture import PICTURE
from neurotarget.data.scans.film_marks import Marks, Outline, alternating_runs, relative_runs
from neurotarget.data.tables.text_table import read_text_table
from neurotarget.files.reading import load_json
from neurotarget.problems import DataError, Problem, error, errors_of, some

RUNS = "EncodedPixels"  # its name has a leading blank in the published table
IDS = ("ImageId", "image_id", "case_id")
MARKS = (".csv", ".tsv", ".json")
KINDS = "SIIM's table (ImageId, EncodedPixels), or JSON of COCO or ChestX-Det"


def read_marks(path: Path, finding: str) -> dict[str, Marks]:
    """Read the marks of each film, by its name without suffix; negative films have no marks.

    Several rows or outlines of a film form one mask. `finding` is the name of a category; it is not
    used for SIIM's table and for a COCO file with a single category.

    Raises:
        DataError: the file is of another kind, or marks are broken; all broken marks are listed.
    """
    if path.suffix.lower() != ".json":
        return _table(path)
    try:
        content = load_json(path)
        if isinstance(content, Mapping) and {"images", "annotations"} <= content.keys():
            return _coco(content, path, finding)
        if isinstance(content, list) and all(
            {"file_name", "syms"} <= one.keys() for one in content
        ):
            return _chestx_det(content, path, finding)
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as reason:
        what = " ".join(f"{type(reason).__name__}: {reason}".split())[:200]
        raise DataError(_wrong(path, f"unreadable marks ({what})")) from reason
    raise DataError(_wrong(path, "JSON of another kind"))


def _table(path: Path) -> dict[str, Marks]:
    table = read_text_table(path, ids=(*IDS, RUNS))
    name = next((column for column in IDS if column in table.columns), None)
    problems = errors_of(table.problems)
    if not problems and (name is None or RUNS not in table.columns):
        problems = [_wrong(path, f"the columns {some(table.columns)}")]
    runs: dict[str, list] = {}
    for row, line in zip(table.rows if not problems else (), table.lines, strict=False):
        try:
            runs.setdefault(_stem(row[name]), []).append(relative_runs(row[RUNS]))
        except ValueError as reason:
            problems.append(_wrong(path, f"{reason} in line {line}", "pairs of gap and length"))
    if problems:
        raise DataError(problems)
    return {film: Marks(tuple(one for one in of if len(one))) for film, of in runs.items()}


def _coco(content: Mapping, path: Path, finding: str) -> dict[str, Marks]:
    named = {one["id"]: str(one["name"]) for one in content.get("categories", [])}
    wanted = _category(list(named.values()), path, finding)
    films = {one["id"]: one for one in content["images"]}
    runs: dict = {key: [] for key in films}
    outlines: dict = {key: [] for key in films}
    for one in content["annotations"]:
        if wanted is not None and named.get(one.get("category_id")) != wanted:
            continue
        shape = one["segmentation"]
        if isinstance(shape, Mapping) and isinstance(shape["counts"], str):
            raise DataError(_wrong(path, "compressed runs", "runs as a list of numbers"))
        if isinstance(shape, Mapping):
            runs[one["image_id"]].append(alternating_runs(shape["counts"]))
        else:
            outlines[one["image_id"]] += [_corners(flat) for flat in shape]
    return {
        _stem(film["file_name"]): Marks(runs[key], outlines[key], (film["width"], film["height"]))
        for key, film in films.items()
    }


def _category(names: Sequence[str], path: Path, finding: str) -> str | None:
    """Return the category of the finding; None if the file has one category or none."""
    found = next((name for name in names if name.casefold() == finding.casefold()), None)
    if found is None and len(names) > 1:
        raise DataError(_wrong(path, f"the findings {some(names)}", f"{finding} among them"))
    return found


def _chestx_det(content: Sequence[Mapping], path: Path, finding: str) -> dict[str, Marks]:
    """Read marks from a list of films with `syms` (findings) and one polygon per finding.

    A file that was cut down to one finding keeps all `syms`, but only the polygons of that finding.
    """
    marks = {}
    for film in content:
        names = [str(name).casefold() for name in film["syms"]]
        polygons = film.get("polygons", [])
        if len(polygons) == len(names):
            chosen = [polygons[n] for n, name in enumerate(names) if name == finding.casefold()]
        elif len(polygons) == names.count(finding.casefold()):
            chosen = polygons
        else:
            found = f"{len(polygons)} polygons of {len(names)} findings of {film['file_name']}"
            raise DataError(_wrong(path, found, "one per finding"))
        marks[_stem(film["file_name"])] = Marks((), [_corners(one) for one in chosen])
    return marks


def _corners(values: Iterable) -> Outline:
    corners = np.array(list(values), dtype=float).reshape(-1, 2)
    if len(corners) < 2 or not np.isfinite(corners).all():
        raise ValueError(f"an outline of {len(corners)} corners")
    return corners


def _stem(name: str) -> str:
    """Return a film's name without folder and suffix; numbers of a DICOM UID are no suffix."""
    plain = PurePosixPath(str(name).replace("\\", "/")).name
    end = next((one for one in (*PICTURE, *FILM) if plain.lower().endswith(one)), "")
    return plain.removesuffix(plain[len(plain) - len(end) :]) if end else plain


def _wrong(path: Path, found: str, wanted: str = KINDS) -> Problem:
    return error(found, wanted, "correct the file, or give masks in place of it", file=path)
