"""Folder of maps of many scans: finished maps are kept, outdated maps are made again.

A map is finished when its JSON file exists. The JSON is written last, and holds a hash of the files
and settings that the map was made from.
"""

import logging
import platform
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray
from tqdm import tqdm

from neurotarget.data.attempts import check_names, reason_of
from neurotarget.data.formats.detached import scan_digest
from neurotarget.files.hashes import hash_of_value
from neurotarget.files.ownership import claim, is_free, refuse_foreign, refuse_twins
from neurotarget.files.reading import read_plain, real_path
from neurotarget.files.writing import remove
from neurotarget.inference.segment import save_like
from neurotarget.maps.gre import GRE, Acquisition, read_acquisition
from neurotarget.maps.gre_bids import OWN, Scans, is_own
from neurotarget.printable import encodable
from neurotarget.problems import DataError, errors_of
from neurotarget.process.exit_codes import print_problems
from neurotarget.runs.folder.run_folder import write_json

log = logging.getLogger(__name__)

DESCRIPTION = "dataset_description.json"
HASH = "MadeFrom"
PACKAGES = ("numpy", "scipy", "torch")
VERSION = 2  # increase it when the same files and settings give other maps


class Map(NamedTuple):
    """One map of a scan, with the content of its JSON file.

    `array` is (I, J, K) in the scan's voxel order, in the unit that `about` states.
    """

    suffix: str  # Chimap, desc-brain_mask
    array: ndarray
    about: Mapping[str, Any]


class Outcome(NamedTuple):
    """Result of one scan.

    If its maps were made or kept, `note` holds sentences for the user. If the scan failed, `note`
    is the reason, `about` is empty and `main` is None.
    """

    case_id: str
    status: str  # done | kept | failed
    note: str
    about: Mapping[str, Any]  # JSON of its main map
    main: Path | None  # the main map


class Work(NamedTuple):
    """Recipe for the maps of a scan: `make` returns the maps, the main map first.

    `settings` go into the hash of finished maps: if a setting that is absent from them changes,
    finished maps are not made again.
    """

    kind: str  # qsm | swi
    suffixes: Sequence[str]  # suffixes of the maps, the main map first
    settings: Mapping[str, Any]  # all settings that the maps depend on
    phase_scale: str
    make: Callable[[GRE], Sequence[Map]]


def make_all(scans: Scans, work: Work, output: Path, *, overwrite: bool = False) -> list[Outcome]:
    """Make the maps of every scan; report and count scans that fail, and continue after them.

    Args:
        scans: scans and problems of a data set. A scan with an error in its names or sidecars
            counts as failed.
        work: recipe for the maps of one scan, and the settings that they depend on.
        output: folder for maps and page; conflicts with its files are found before the first map is
            made.
        overwrite: make the maps of finished scans again, and replace files of other programs.

    Returns:
        One outcome per scan, ordered by `case_id`.

    Raises:
        DataError: no scan can be read, or a map would replace an input, a file of another data set
            or a file that neurotarget did not write.
    """
    errors = errors_of(scans.problems)
    if not scans.acquisitions:
        raise DataError(errors or "found no gradient-echo scan, wanted at least one")
    print_problems(scans.problems)
    _refuse_inputs(scans.acquisitions, work, output)
    _refuse_raw(scans.acquisitions, output)
    _refuse_other(scans.acquisitions, output)
    claim(output, older=partial(older_maps, work=work), overwrite=overwrite)
    _refuse_files(scans.acquisitions, work, output)
    _describe(scans.acquisitions, output)
    by_case: dict[str, Outcome] = {}
    for problem in errors:  # of names and sidecars, known before any voxel is read
        before = by_case[problem.case_id].note + ". " if problem.case_id in by_case else ""
        note = before + str(problem)
        by_case[problem.case_id] = Outcome(problem.case_id, "failed", note, {}, None)
    good = [one for one in scans.acquisitions if one.case_id not in by_case]
    for acquisition in tqdm(good, work.kind, unit="scan", delay=1):
        outcome = _one(acquisition, work, output, overwrite=overwrite)
        by_case[outcome.case_id] = outcome
        if outcome.status == "failed":
            tqdm.write(f"error: {outcome.note}", file=sys.stderr)
    return sorted(by_case.values(), key=lambda outcome: outcome.case_id)


def map_path(acquisition: Acquisition, output: Path, suffix: str) -> Path:
    """File of one map of a scan, below the scan's own folder in `output`.

    `suffix` is the last part of a BIDS name, such as Chimap or desc-brain_mask.
    """
    return output / acquisition.folder / f"{acquisition.stem}_{suffix}.nii.gz"


def _one(acquisition: Acquisition, work: Work, output: Path, *, overwrite: bool) -> Outcome:
    paths = [map_path(acquisition, output, suffix) for suffix in work.suffixes]
    try:
        check_names(acquisition.case_id, [*paths, *map(_sidecar, paths)])
        made_from = _made_from(acquisition, work)
        if not overwrite and _is_kept(paths, made_from):
            about = read_plain(_sidecar(paths[0]))
            return Outcome(acquisition.case_id, "kept", _look_at(about), about, paths[0])
        gre = read_acquisition(acquisition, phase_scale=work.phase_scale)
        maps = work.make(gre)
        about = _save(acquisition, gre, maps, output, made_from)
    except Exception as error:
        for path in paths:  # of an earlier run with other settings
            with suppress(OSError):  # the name may be invalid for any file
                remove(_sidecar(path))
                remove(path)
        name = encodable(acquisition.case_id)
        return Outcome(name, "failed", encodable(_reason(acquisition, error)), {}, None)
    return Outcome(acquisition.case_id, "done", _look_at(about), about, paths[0])


def _is_kept(paths: Sequence[Path], made_from: str) -> bool:
    """Return True if all maps of a scan exist and were made from these files and settings."""
    is_same = read_plain(_sidecar(paths[0])).get(HASH) == made_from
    return is_same and all(path.is_file() for path in paths)


def _save(
    acquisition: Acquisition, gre: GRE, maps: Sequence[Map], output: Path, made_from: str
) -> dict[str, Any]:
    """Write all maps; the JSON of the main map is last and marks them as complete."""
    main = map_path(acquisition, output, maps[0].suffix)
    remove(_sidecar(main), is_replaced=True)
    shared = {"Sources": list(acquisition.sources)}
    for one in reversed(maps):
        path = map_path(acquisition, output, one.suffix)
        save_like(one.array, gre.header, path)
        if one is not maps[0]:
            write_json(_sidecar(path), {**one.about, **shared})
    about = {**maps[0].about, **shared, **_origin(), HASH: made_from}
    about["Notes"] = [*gre.notes, *about.get("Notes", [])]
    write_json(_sidecar(main), about)
    return about


def _origin() -> dict[str, Any]:
    versions = {name: metadata.version(name) for name in PACKAGES}
    versions = {"python": platform.python_version(), **versions}
    return {"GeneratedBy": [{"Name": OWN, "Version": metadata.version(OWN)}], "Versions": versions}


def _look_at(about: Mapping[str, Any]) -> str:
    return "; ".join(map(str, about.get("Notes", [])))


def _reason(acquisition: Acquisition, error: Exception) -> str:
    text = ". ".join(" ".join(line.split()) for line in str(error).splitlines())
    text = text if isinstance(error, DataError) else reason_of(error)
    is_named = text.startswith(f"{acquisition.case_id}:")
    return text if is_named else f"{acquisition.case_id}: {text}"


def _made_from(acquisition: Acquisition, work: Work) -> str:
    """Hash of the files' contents and of all settings that the maps depend on."""
    facts = {
        "version": VERSION,
        "files": [scan_digest(path) for path in acquisition.files],
        "te_s": acquisition.te_s,
        "field_t": acquisition.field_t,
        "b0": acquisition.b0,
        "phase_scale": work.phase_scale,
        "settings": dict(work.settings),
        # omitted for magnitude and phase, so that older maps keep their hash
        **({"is_complex": True} if acquisition.is_complex else {}),
    }
    return hash_of_value(facts, 16)


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".nii.gz") + ".json")


def _refuse_inputs(acquisitions: Sequence[Acquisition], work: Work, output: Path) -> None:
    inputs = {real_path(path) for one in acquisitions for path in one.files}
    for one in acquisitions:
        for suffix in work.suffixes:
            path = map_path(one, output, suffix)
            if real_path(path) in inputs:
                raise DataError(
                    f"{path}: a map would replace an input; choose another output folder, such "
                    f"as <data set>/derivatives/{OWN}"
                )


def _refuse_raw(acquisitions: Sequence[Acquisition], output: Path) -> None:
    """Keep maps out of the raw subjects of a data set.

    Raises:
        DataError: the output is the data set of a scan, or a folder of a subject in it.
    """
    for one in acquisitions:
        if not one.folder:
            continue
        root = real_path(one.magnitudes[0].parents[len(Path(one.folder).parts)])
        inside = real_path(output)
        if root != inside and root not in inside.parents:
            continue
        parts = inside.relative_to(root).parts
        if not parts or parts[0].startswith("sub-"):
            raise DataError(
                f"output: found {output}, which holds the scans' own data, wanted another folder "
                f"for the maps; set {shlex.quote(f'output={root}/derivatives/{OWN}')}"
            )


def _refuse_files(acquisitions: Sequence[Acquisition], work: Work, output: Path) -> None:
    """Refuse to replace files that this program did not write, unless the maps are kept anyway."""
    files = {
        one.case_id: [map_path(one, output, suffix) for suffix in work.suffixes]
        for one in acquisitions
    }
    refuse_twins(files)
    foreign = []
    for one in acquisitions:
        paths = files[one.case_id]
        theirs = [path for path in (*paths, *map(_sidecar, paths)) if not is_free(path)]
        if theirs and not _is_kept(paths, _made_from(one, work)):  # reads whole scans
            foreign += theirs
    refuse_foreign([output / f"{work.kind}.html", *foreign])


def older_maps(folder: Path, *, work: Work) -> list[Path] | None:
    """List files that an older version, which kept no record of its files, wrote into a folder.

    The JSON of a main map is written last, so a file that is newer than the JSON was changed by the
    user and is left out.

    Returns:
        The files and the page of `work`, which may be missing; None if neurotarget wrote no file
        into the folder.
    """
    ours = [folder / DESCRIPTION] if is_own(folder) else []
    main = f"_{work.suffixes[0]}"
    for about in sorted(folder.rglob(f"*{main}.json")):
        if HASH not in read_plain(about):
            continue
        stem, made_ns = about.stem.removesuffix(main), about.stat().st_mtime_ns
        paths = [about.with_name(f"{stem}_{suffix}.nii.gz") for suffix in work.suffixes]
        files = (one for path in paths for one in (path, _sidecar(path)) if one.is_file())
        ours += [one for one in files if one.stat().st_mtime_ns <= made_ns]
    return [*ours, folder / f"{work.kind}.html"] if ours else None


def _refuse_other(acquisitions: Sequence[Acquisition], output: Path) -> None:
    """Keep BIDS maps out of another data set.

    Raises:
        DataError: the folder is another data set.
    """
    path = output / DESCRIPTION
    if any(one.folder for one in acquisitions) and path.is_file() and not is_own(output):
        raise DataError(
            f"output: found another data set in {output}, wanted a folder for the maps alone; "
            f"set output=<data set>/derivatives/{OWN}"
        )


def _describe(acquisitions: Sequence[Acquisition], output: Path) -> None:
    """Write the description of a BIDS derivative, unless the folder has one."""
    path = output / DESCRIPTION
    if path.is_file() or not any(one.folder for one in acquisitions):
        return
    about = {
        "Name": f"maps by {OWN}",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": OWN, "Version": metadata.version(OWN)}],
    }
    write_json(path, about)


def plain_number(value: float, digits: int = 6) -> float | None:
    """Round a number for JSON to `digits` after the decimal point; None if it is not finite."""
    return round(float(value), digits) if np.isfinite(value) else None


def plain_values(values: object) -> Any:  # noqa: ANN401
    """Convert values, also nested ones, to types of JSON.

    Numbers of NumPy become numbers of Python. Floats are rounded to 9 digits; those that are not
    finite become None. Tuples become lists; keys and all other objects become text.
    """
    if isinstance(values, Mapping):
        return {str(key): plain_values(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [plain_values(value) for value in values]
    if isinstance(values, np.generic):
        values = values.item()
    if isinstance(values, float):
        return plain_number(values, 9)
    return values if isinstance(values, str | int | bool | None) else str(values)
