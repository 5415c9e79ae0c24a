"""Films whose findings are listed in one file, as runs of pixels or outlines."""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from filelock import FileLock
from tqdm import tqdm

from neurotarget.data.cases.mark_files import KINDS, MARKS, read_marks
from neurotarget.data.cases.sources import Files, Source
from neurotarget.data.formats.film import FILM, film_tags
from neurotarget.data.formats.picture import PICTURE, save_picture
from neurotarget.data.scans.film_marks import Marks, drawn
from neurotarget.data.scans.volume import file_stem, read_volume
from neurotarget.files.hashes import digest
from neurotarget.files.writing import expand_home, table_text, write_text
from neurotarget.problems import DataError, Problem, error, refuse_errors, some

FEW = 10  # fewest positive films for a check of where their marks lie
WORKERS = 2
ABSENT = "absent"  # "none" would be read as a missing value


@dataclass(frozen=True)
class MarkedFilms(Source):
    """Films with SIIM's table of runs, or JSON of COCO or ChestX-Det.

    A mask is written for each film, and a table of all films. `data.root` is the file of marks, or
    a folder with a single file of this kind; films lie in its folder or below. `marks_px` gives the
    columns and rows to which the marks refer, if the films were enlarged or reduced afterwards.
    `subject` is a regular expression whose first group is the person in a film's name; without it
    the DICOM tags give the person, else each film counts as another person. Masks and table are
    written to `folder`, which must not be the folder of the films.
    """

    folder: str
    finding: str = "pneumothorax"
    marks_px: tuple[int, int] | None = None
    subject: str | None = None

    def obtain(self, root: str | None) -> Path:
        """Return the table of the films, made if it is missing; or data of another kind.

        Raises:
            DataError: marks are broken, lie outside of their film, or have no film; all are listed.

        Data of another kind are returned as `data.root` gives them. A table of the same marks and
        settings is made once; several processes wait for the one that makes it.
        """
        given = Files().obtain(root)
        marks = _marks_file(given)
        if marks is None:
            return given
        folder = expand_home(self.folder) / self._key(marks)
        folder.mkdir(parents=True, exist_ok=True)
        table = folder / "films.tsv"
        with FileLock(folder / ".lock"):
            if not table.is_file():
                self._write(marks, table)
        return table

    def planted(self, root: str | None) -> Mapping[str, float]:  # noqa: ARG002
        """No effects: real data have none planted."""
        return {}

    def _key(self, marks: Path) -> str:
        parts = f"{self.finding} {self.marks_px} {self.subject}".split()
        plain = re.sub(r"[^\w-]+", "_", "_".join(parts))[:40]
        return f"{plain}_{digest(marks)[:12]}"

    def _write(self, path: Path, table: Path) -> None:
        marks, films = read_marks(path, self.finding), _films(path.parent)
        films = {name: films[name] for name in marks if name in films}
        _check_films(marks, films, path)
        with ThreadPoolExecutor(WORKERS) as pool:
            bar = tqdm(films.items(), "draw masks", unit="film", delay=1)
            lines = list(pool.map(lambda film: self._line(*film, marks, table.parent), bar))
        refuse_errors(line for line in lines if isinstance(line, Problem))
        _check_place(marks, lines, path)
        kept = [{key: line[key] for key in line if key != "half"} for line in lines]
        write_text(table, table_text(pd.DataFrame(kept).fillna("").astype(str)))

    def _line(
        self, name: str, film: Path, marks: Mapping[str, Marks], folder: Path
    ) -> dict[str, object] | Problem:
        """Write the mask of a film; return its row of the table, or its problem."""
        volume = read_volume(film, case_id=name)
        size_px = volume.array.shape[:2]
        own = marks[name]._replace(size_px=marks[name].size_px or self.marks_px)
        try:
            mask = drawn(own, size_px)
        except ValueError as reason:
            todo = "correct the marks, or set data.source.marks_px to the size that they count"
            wanted = f"marks within the film of {size_px[0]} × {size_px[1]} pixels"
            return error(f"{reason} pixels", wanted, todo, case_id=name, file=film)
        label = folder / "masks" / f"{name}.png"
        save_picture(mask.astype("uint8"), label)
        tags = film_tags(film) if film.name.lower().endswith(FILM) else {}
        match = re.match(self.subject, name) if self.subject else None
        person = match[1] if match else tags.pop("subject_id", name)
        covariates = {"finding": self.finding if mask.any() else ABSENT} | tags
        half = own.last_pixel * 2 <= size_px[0] * size_px[1]
        known = {"case_id": name, "subject_id": person, "image": film.resolve(), "label": label}
        return known | covariates | {"half": half}


def _marks_file(given: Path) -> Path | None:
    """Find the file of marks; None for a folder with no or several candidates, or other data.

    A table without the column of runs is a manifest.
    """
    if given.is_dir():
        found = [path for path in sorted(given.iterdir()) if path.suffix.lower() in MARKS]
        given = found[0] if len(found) == 1 else given
    if given.suffix.lower() == ".json" and given.name != "dataset.json":
        return given
    if given.suffix.lower() not in MARKS[:2] or not given.is_file():
        return None
    with given.open("rb") as stream:
        return given if b"EncodedPixels" in stream.readline(4096) else None


def _films(folder: Path) -> dict[str, Path]:
    """List the films, without masks, of a folder and the folders below, by name."""
    paths = sorted(folder.rglob("*"))
    films: dict[str, Path] = {}
    for path in paths:
        is_film = path.name.lower().endswith((*PICTURE, *FILM)) and path.is_file()
        if is_film and path.parent.name not in ("masks", "labels"):
            films.setdefault(file_stem(path), path)
    return films


def _check_films(marks: Mapping[str, Marks], films: Mapping[str, Path], path: Path) -> None:
    """Refuse marks of films that do not exist."""
    absent = [name for name in marks if name not in films]
    if absent or not marks:
        found = f"no film of {len(absent)} of {len(marks)} names ({some(absent)})"
        wanted = f"each film in {path.parent} or below, named as in the file"
        todo = "add the films, or remove their rows"
        raise DataError(error(found, wanted if marks else KINDS, todo, file=path))


def _check_place(marks: Mapping[str, Marks], lines: list, path: Path) -> None:
    """Refuse runs that all lie in left halves, since they count pixels of smaller films."""
    halves = [line["half"] for line in lines if marks[line["case_id"]].last_pixel]
    if len(halves) >= FEW and all(halves):
        found = f"runs of {len(halves)} films, none beyond the left half of its film"
        todo = "set data.source.marks_px to the columns and rows that the runs count"
        raise DataError(error(found, "runs that count the films' pixels", todo, file=path))
