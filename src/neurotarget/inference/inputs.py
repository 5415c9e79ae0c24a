"""Cases to predict, found in a file, a folder, a DICOM series, a BIDS data set or a manifest."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from neurotarget.data.attempts import as_data_error
from neurotarget.data.cases.manifest import ENDINGS, read_manifest
from neurotarget.data.formats.dicom import (
    INDEX,
    Series,
    convert_series,
    find_series,
    list_series,
    unfetched_slices,
)
from neurotarget.data.formats.film import FILM
from neurotarget.data.formats.scratch import Scratch
from neurotarget.data.layouts.nnunet_raw import ALIASES
from neurotarget.data.scans.volume import SUFFIXES, file_stem, film_files, image_files
from neurotarget.files.reading import is_there, real_path
from neurotarget.files.unfetched import unfetched
from neurotarget.files.writing import expand_home
from neurotarget.problems import DataError, Problem, error
from neurotarget.size_units import AREAS, VOLUMES
from neurotarget.types import Case, Target

log = logging.getLogger(__name__)

DATA_SETS = ("dataset_description.json", "dataset.json")  # BIDS; MSD and nnU-Net
OUTPUTS = (VOLUMES.table, AREAS.table)  # of which one marks a folder of predicted masks


def find_inputs(
    source: Path,
    contrasts: Sequence[str],
    *,
    scratch: Scratch,
    series: str | None = None,
    films: bool = False,
    fill: bool = False,
) -> list[Case]:
    """Find the cases to predict, sorted by name.

    DICOM is converted to NIfTI in `scratch`, case by case when `scratch.ready` is entered: problems
    of a series are errors of its case only. A case is named after its file without suffix and
    contrast, or after its folder.

    Args:
        source: an image file, a folder of image files (with several contrasts
            `<case>_<contrast>.nii.gz` or nnU-Net's `<case>_0000.nii.gz`, `<case>_0001.nii.gz`; with
            one, every file is a case), a folder with a subfolder or a DICOM series per case, one
            DICOM series, a CD of one examination, a BIDS, MSD or nnU-Net data set, or a manifest
            (CSV, TSV). DICOM may be in deeper folders.
        contrasts: that the network needs, in its order.
        scratch: takes converted scans.
        series: selects among several DICOM series of a case: its number, description or a part of
            it, or UID.
        films: whether each `.dcm` file is a picture and a case.
        fill: whether a case may lack contrasts, as long as it has one.

    Raises:
        DataError: nothing is found, contrasts are missing (all cases are listed), names repeat, or
            several files match.
    """
    source, search = expand_home(source), _Search(tuple(contrasts), scratch, series, films, fill)
    cases = search.find(source)
    paths = [path for case in cases for path in case.images.values()]
    is_dicom = any(path.parent == scratch.folder or unfetched(path) for path in paths)
    if series is not None and not is_dicom:
        raise DataError(
            f"series: found no DICOM in {source}, wanted some; leave series={series} out"
        )
    return cases


@dataclass
class _Search:
    """A search for cases with some contrasts; problems are collected."""

    contrasts: tuple[str, ...]
    scratch: Scratch  # for converted DICOM
    series: str | None
    films: bool = False
    fill: bool = False
    problems: list[Problem] = field(default_factory=list)

    def find(self, source: Path) -> list[Case]:
        """Find the cases of any kind of source; see `find_inputs`.

        Raises:
            DataError: nothing is found, or cases have problems; all are listed.
        """
        if (absent := unfetched(source)) is not None:
            raise DataError(f"input: found {absent.found}: {source}; {absent.todo}")
        if not source.exists():
            raise DataError(f"input: no such file or folder: {source}; check the path")
        if source.suffix.lower() in ENDINGS or any(is_there(source / name) for name in DATA_SETS):
            cases = self._listed(source)
            self.problems += self._missing(cases)
        elif source.is_file():
            return [self._single(source)]
        else:
            cases = self._in_folder(source)
            self.problems += self._missing(cases) + _repeated(cases)
        if self.problems:
            raise DataError(self.problems)
        if not cases:
            raise DataError(
                f"input: found no scan in {source}, wanted image files ({' '.join(SUFFIXES)}), a "
                "subfolder per case, a DICOM series, a BIDS data set (dataset_description.json) or "
                "a manifest (.csv, .tsv); check the path"
            )
        return cases

    def _listed(self, source: Path) -> list[Case]:
        one = (1, 1, 1)
        wanted = Target("input", self.contrasts, {"any": (1,)}, spacing_mm=one, patch_vox=one)
        settings = {"images_only": True, "need_images": not self.fill}
        return list(read_manifest(source, wanted, **settings).cases)

    def _single(self, path: Path) -> Case:
        if not _is_image(path) or (path.name.lower().endswith(FILM) and not self.films):
            raise DataError(
                f"input: found {path}, wanted one of {' '.join(SUFFIXES)} or a manifest (.csv, "
                ".tsv); for DICOM give the folder of the series"
            )
        if len(self.contrasts) > 1:
            name, contrast = self._parted(path)
            if self.fill and contrast is not None:
                return _case(name or file_stem(path), {contrast: path})
            names = ", ".join(f"<case>_{name}.nii.gz" for name in self.contrasts)
            raise DataError(
                f"input: found one file {path}, wanted the contrasts {', '.join(self.contrasts)}; "
                f"give a folder with {names}, or a manifest"
            )
        return _case(file_stem(path), {self.contrasts[0]: path})

    def _in_folder(self, folder: Path) -> list[Case]:
        folders = _subfolders(folder)
        if images := image_files(folder) or (film_files(folder) if self.films else []):
            if folders:
                log.warning("input: %d subfolders next to image files are left out", len(folders))
            return self._flat(folder, images)
        is_disc = is_there(folder / INDEX)
        series = find_series(folder) if is_disc else list_series(folder)
        lacking = unfetched_slices(folder, is_deep=is_disc)
        if series or (lacking and (is_disc or not folders)):
            return [self._dicom(folder, series, lacking)]
        # next to folders of cases a broken link is a case too
        cases = [_case(path.name, dict.fromkeys(self.contrasts, path)) for path in lacking]
        for inner in tqdm(folders, "read input folders", unit="case", delay=1):
            try:
                case = self._subfolder(inner)
            except Exception as reason:
                case = self._failing(inner.name, reason)
            cases += [case] if case else []
        return cases

    def _flat(self, folder: Path, images: list[Path]) -> list[Case]:
        if len(self.contrasts) == 1:
            return [_case(file_stem(path), {self.contrasts[0]: path}) for path in images]
        groups: dict[str, list[Path]] = defaultdict(list)
        for path in images:
            groups[self._parted(path)[0]].append(path)
        # files named by a contrast alone belong to the case named by the folder
        named = [(name or real_path(folder).name, paths) for name, paths in groups.items()]
        cases = [self._matched(name, paths) for name, paths in sorted(named)]
        cases = [case for case in cases if case.images]
        if spare := [path.name for path in images if self._parted(path)[1] is None]:
            if not cases:
                raise DataError(self._unnamed(folder, spare))
            log.warning(
                "input: %d files name no contrast and are left out: %s", len(spare), spare[:5]
            )
        return cases

    def _unnamed(self, folder: Path, names: list[str]) -> Problem:
        by_name = ", ".join(f"<case>_{name}.nii.gz" for name in self.contrasts)
        numbers = range(len(self.contrasts))
        by_number = ", ".join(f"<case>_{number:04d}.nii.gz" for number in numbers)
        found = f"{len(names)} image files that name no contrast ({', '.join(names[:3])})"
        todo = "rename them, or give a manifest with a column per contrast"
        return error(found, f"{by_name} or {by_number}", todo, file=folder)

    def _subfolder(self, folder: Path) -> Case | None:
        images = image_files(folder)
        if len(images) == 1 and len(self.contrasts) == 1:
            return _case(folder.name, {self.contrasts[0]: images[0]})
        if images:
            return self._matched(folder.name, images)
        for is_deep, find in ((False, list_series), (True, find_series)):
            series, lacking = find(folder), unfetched_slices(folder, is_deep=is_deep)
            if series or lacking:
                return self._dicom(folder, series, lacking)
        deeper = next((path for path in sorted(folder.rglob("*")) if _is_image(path)), None)
        hint = f" (deeper down lies {deeper}: give its folder, or a manifest)" if deeper else ""
        log.warning("input: no scan in the folder %s; it is left out%s", folder, hint)
        return None

    def _dicom(self, folder: Path, series: list[Series], lacking: list[Path]) -> Case:
        name = real_path(folder).name
        if lacking:  # one file represents all: reading it fails, with the reason
            log.warning("input: %s: %d files were not fetched: %s", name, len(lacking), lacking[:3])
            return _case(name, dict.fromkeys(self.contrasts, lacking[0]))
        if len(self.contrasts) > 1:
            wanted = f"the contrasts {', '.join(self.contrasts)} in files of their own"
            todo = "convert the series with dcm2niix and name the contrasts in a manifest"
            raise DataError(error("DICOM files", wanted, todo, case_id=folder.name, file=folder))

        def make(path: Path) -> None:
            """Convert the series of the case, and note the files of its slices."""
            files = convert_series(folder, series, path, case_id=name, wanted=self.series)
            self.scratch.slices[path] = files

        return _case(name, {self.contrasts[0]: self.scratch.plan(make)})

    def _failing(self, name: str, reason: Exception) -> Case:
        """A case whose conversion fails, so that the error is reported when it is its turn."""

        def fail(path: Path) -> None:  # noqa: ARG001
            """Raise the reason as an error of this case."""
            raise as_data_error(reason, name)

        return _case(name, dict.fromkeys(self.contrasts, self.scratch.plan(fail)))

    def _matched(self, name: str, paths: list[Path]) -> Case:
        """The case of a group of files, each assigned to the contrast in its name."""
        files_of_contrast: dict[str, list[Path]] = {contrast: [] for contrast in self.contrasts}
        for path in paths:
            if (contrast := self._parted(path)[1]) is not None:
                files_of_contrast[contrast].append(path)
        todo = "move the others away, or give a manifest"
        for contrast, several in files_of_contrast.items():
            if len(several) > 1:
                names = ", ".join(path.name for path in several)
                count = f"{len(several)} files for {contrast} ({names})"
                self.problems.append(error(count, "one file per contrast", todo, case_id=name))
        return _case(
            name, {contrast: files[0] for contrast, files in files_of_contrast.items() if files}
        )

    def _parted(self, path: Path) -> tuple[str, str | None]:
        """Case name and contrast in a file name; the contrast is None if the name has none."""
        stem = file_stem(path)
        for ending, contrast in _endings(self.contrasts).items():
            if stem.casefold() == ending:
                return "", contrast
            if stem.casefold().endswith((f"_{ending}", f"-{ending}")):
                return stem[: -len(ending) - 1], contrast
        return stem, None

    def _missing(self, cases: Iterable[Case]) -> list[Problem]:
        wanted = f"the contrasts {', '.join(self.contrasts)}"
        todo = "add the files, or move the case away"
        return [
            error(f"no {', '.join(absent)} image", wanted, todo, case_id=case.case_id)
            for case in cases
            if (absent := [name for name in self.contrasts if name not in case.images])
            and not (self.fill and case.images)
        ]


def _endings(contrasts: tuple[str, ...]) -> dict[str, str]:
    """Contrast by the ending of a file name, longest ending first."""
    endings = {f"{number:04d}": contrast for number, contrast in enumerate(contrasts)}
    for contrast in contrasts:
        plain = ALIASES.get(contrast.casefold(), contrast.casefold())
        endings |= {alias: contrast for alias, meant in ALIASES.items() if meant == plain}
        endings[plain] = contrast
    endings |= {contrast.casefold(): contrast for contrast in contrasts}
    return dict(sorted(endings.items(), key=lambda item: -len(item[0])))


def _repeated(cases: Iterable[Case]) -> list[Problem]:
    groups: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        groups[case.case_id] += [path.name for path in case.images.values()][:1]
    return [
        error(
            f"{len(files)} files of one name ({', '.join(files)})",
            "one name per case, as outputs are named after it",
            "rename one",
            case_id=name,
        )
        for name, files in groups.items()
        if len(files) > 1
    ]


def _subfolders(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_dir()
        and not path.name.startswith(".")
        and not any((path / name).exists() for name in OUTPUTS)
    )


def _is_image(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")


def _case(name: str, images: Mapping[str, Path]) -> Case:
    return Case(case_id=name, subject_id=name, images=images)
