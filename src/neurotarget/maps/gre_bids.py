"""Gradient-echo scans of a BIDS data set: images of all echoes, and their sidecars.

Images are magnitude and phase, or real and imaginary parts.

The standard: Gorgolewski et al. 2016, doi:10.1038/sdata.2016.44.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from neurotarget.data.formats.formats import read_grid
from neurotarget.data.formats.scan_report import corners_apart
from neurotarget.data.layouts.bids_files import BidsFile, list_bids
from neurotarget.data.reading_results import whole_number
from neurotarget.data.scans.volume import SAME_GRID_VOX, UNREADABLE, file_stem
from neurotarget.files.reading import read_plain
from neurotarget.maps.gre import COMPLEX, POLAR, Acquisition
from neurotarget.maps.gre_sidecars import echo_times, field_strength, metadata, read_sidecars
from neurotarget.problems import Problem, error, some, warning
from neurotarget.types import Triple

SUFFIXES = ("MEGRE", "GRE", "T2starw")
PARTS = dict(zip(("mag", "phase"), POLAR, strict=True))
COMPLEX_PARTS = dict(zip(("real", "imag"), COMPLEX, strict=True))
OWN = "neurotarget"  # name of derivatives that hold our own maps, which are never input
NATIVE = {"", "orig", "individual", "native", "scanner", *SUFFIXES}  # `space` of usable masks
SHARED = ("subject", "session", "run", "acquisition")  # entities that a mask and its scan share


class Scans(NamedTuple):
    """Scans with usable names and sidecars, and all problems that were found.

    `problems` holds warnings, and the errors of scans that are not in `acquisitions`.
    """

    acquisitions: list[Acquisition]
    problems: list[Problem]


class _Defaults(NamedTuple):
    """Numbers to use if the sidecars have none."""

    field_t: float | None
    b0: Triple | None


def scan_acquisitions(
    folder: Path,
    *,
    suffix: str | None = None,
    field_t: float | None = None,
    b0: Triple | None = None,
) -> Scans:
    """Find every `*_part-mag_*` with its `*_part-phase_*`, and all problems, in one pass.

    If a scan lacks one of the two, its `*_part-real_*` and `*_part-imag_*` are used. A scan is one
    session, run and acquisition of a subject. In derivatives, `*_mask` files of the brain are masks
    and `*_Chimap` files are reference maps. A warning names those that are on another grid; they
    are left out. Maps made by neurotarget are no input. Only names, sidecars and headers are read.

    Args:
        folder: root of the BIDS data set.
        suffix: MEGRE, GRE or T2starw; None takes all, and two suffixes of one scan are a problem.
        field_t: field strength in T of scans whose sidecars have none; with None, such a scan is a
            problem.
        b0: direction of B0 along the voxel axes, for all scans; None takes it from each affine.

    Returns:
        The scans in the order of their files. A folder without a gradient-echo scan gives no
        acquisition and an error among the problems.
    """
    folder = Path(folder).absolute()  # paths of the layout are absolute too
    files = _index(folder)
    sidecars, problems = read_sidecars(files, SUFFIXES)
    groups = _groups(files, suffix)
    if not groups:
        kinds = sorted({file.entities.get("suffix", "") for file in files if _is_image(file)})
        found = f"no *_part-mag_* and *_part-phase_* of {', '.join(SUFFIXES)} (only {some(kinds)})"
        todo = (
            "add part-mag and part-phase (or part-real and part-imag) to the file names, or set "
            "magnitude= and phase= (or real= and imaginary=)"
        )
        return Scans([], [*problems, error(found, "gradient-echo scans", todo, file=folder)])
    derived = _derived(folder)
    acquisitions = []
    for case_id, group in groups.items():
        acquisition, wrong = _acquisition(folder, case_id, group, sidecars, _Defaults(field_t, b0))
        problems += wrong
        if acquisition is not None:
            acquisition, wrong = _with_derived(acquisition, group[0], derived)
            problems += wrong
            acquisitions.append(acquisition)
    return Scans(acquisitions, problems)


def _index(folder: Path) -> list[BidsFile]:
    return list_bids(folder, (".nii.gz", ".nii", ".json"))


def _is_image(file: BidsFile) -> bool:
    return file.entities.get("extension") != ".json" and "subject" in file.entities


def _groups(files: Sequence[BidsFile], suffix: str | None) -> dict[str, list[BidsFile]]:
    """Images with a part entity, by case; a group holds all suffixes of its case."""
    wanted = (suffix,) if suffix else SUFFIXES
    groups: dict[str, list[BidsFile]] = {}
    for file in files:
        is_part = file.entities.get("part") in PARTS | COMPLEX_PARTS
        if _is_image(file) and is_part and file.entities.get("suffix") in wanted:
            parts = file_stem(file.path).split("_")[:-1]
            kept = [part for part in parts if not part.startswith(("echo-", "part-"))]
            groups.setdefault("_".join(kept), []).append(file)
    return groups


def _acquisition(
    root: Path,
    case_id: str,
    group: Sequence[BidsFile],
    sidecars: Sequence[tuple[BidsFile, dict]],
    defaults: _Defaults,
) -> tuple[Acquisition | None, list[Problem]]:
    suffixes = sorted({file.entities["suffix"] for file in group})
    if len(suffixes) > 1:
        found, todo = f"{' and '.join(suffixes)} of one name", f"choose by suffix={suffixes[0]}"
        return None, [error(found, "one scan", todo, case_id=case_id)]
    parts, problems = _paired(case_id, group)
    if problems:
        return None, problems
    about = [[metadata(file, sidecars) for file in files] for files in parts.values()]
    is_complex = [*parts] == [*COMPLEX_PARTS]
    te_s, wrong = echo_times(case_id, about, COMPLEX if is_complex else POLAR)
    problems += wrong
    contents = [one for each in about for one in each]
    field_t, wrong = field_strength(case_id, contents, defaults.field_t)
    problems += wrong
    if problems:
        return None, problems
    magnitudes, phases = (tuple(file.path for file in files) for files in parts.values())
    folder = magnitudes[0].parent.relative_to(root).as_posix()
    names = tuple(path.relative_to(root).as_posix() for path in (*magnitudes, *phases))
    made = Acquisition(
        case_id,
        magnitudes,
        phases,
        te_s,
        field_t,
        b0=defaults.b0,
        stem=case_id,
        folder=folder,
        sources=tuple(f"bids::{name}" for name in names),
        is_complex=is_complex,
    )
    return made, []


def _paired(
    case_id: str, group: Sequence[BidsFile]
) -> tuple[dict[str, list[BidsFile]], list[Problem]]:
    """Files of each part in the order of echoes, if both parts have the same echoes."""
    there = {file.entities["part"] for file in group}
    has_complex = {*COMPLEX_PARTS} <= there or not there & {*PARTS}
    kinds = COMPLEX_PARTS if has_complex and not {*PARTS} <= there else PARTS
    parts: dict[str, list[BidsFile]] = {
        part: [file for file in group if file.entities["part"] == part] for part in kinds
    }
    for files in parts.values():
        files.sort(key=_echo)
    absent = [part for part, files in parts.items() if not files]
    if absent:
        alone = next(kinds[part] for part, files in parts.items() if files)
        found, wanted = f"{alone} without {kinds[absent[0]]}", "both"
        todo = f"add the *_part-{absent[0]}_* files"
        return parts, [error(found, wanted, todo, case_id=case_id)]
    echoes = {part: [_echo(file) for file in files] for part, files in parts.items()}
    doubled = next((part for part, have in echoes.items() if len(set(have)) < len(have)), None)
    if doubled:
        names = ", ".join(file.path.name for file in parts[doubled])
        found, todo = f"an echo of {kinds[doubled]} twice ({names})", "keep one file of each"
        return parts, [error(found, "one file per echo", todo, case_id=case_id)]
    if len(set(map(tuple, echoes.values()))) > 1:
        listings = [f"{kinds[part]} of echo {_listed(have)}" for part, have in echoes.items()]
        found, todo = " and ".join(listings), "add the missing files, or remove the others"
        return parts, [error(found, "the same echoes in both", todo, case_id=case_id)]
    return parts, []


def _echo(file: BidsFile) -> int:
    return whole_number(file.entities.get("echo", "1")) or 1


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _derived(root: Path) -> list[BidsFile]:
    """Masks and susceptibility maps that other software made."""
    home = root / "derivatives"
    places = [path for path in sorted(home.glob("*")) if path.is_dir()] if home.is_dir() else []
    if any(home.glob("sub-*")):
        places = [home]
    files = []
    for place in places:
        if not is_own(place) and not place.name.startswith("."):
            files += _index(place)
    wanted = ("mask", "Chimap")
    return [one for one in files if _is_image(one) and one.entities.get("suffix") in wanted]


def is_own(folder: Path) -> bool:
    """Return True if the description of a folder of derivatives names neurotarget.

    Masks and maps of other software are input; maps of neurotarget are output. A folder without a
    readable description gives False.
    """
    makers = read_plain(folder / "dataset_description.json").get("GeneratedBy") or []
    try:
        return any(str(maker.get("Name", "")).startswith(OWN) for maker in makers)
    except (AttributeError, TypeError):  # a user wrote the description in another form
        return False


def _with_derived(
    acquisition: Acquisition, scan: BidsFile, derived: Sequence[BidsFile]
) -> tuple[Acquisition, list[Problem]]:
    """Add the brain mask and the reference map that are on the scan's grid."""
    chosen, problems = {}, []
    for name, suffix in (("mask", "mask"), ("reference", "Chimap")):
        files = [file for file in _of(scan, derived) if file.entities["suffix"] == suffix]
        if suffix == "mask":
            files = [file for file in files if file.entities.get("desc", "brain") == "brain"]
            files = [file for file in files if file.entities.get("label", "brain") == "brain"]
        on_grid = [file for file in files if _same_header(file.path, acquisition.magnitudes[0])]
        for file in files:
            if file not in on_grid:
                found, todo = f"{file.path.name} on another grid", "resample it to use it"
                problems.append(
                    warning(found, "the scan's grid", todo, case_id=acquisition.case_id)
                )
        if len(on_grid) > 1:
            names = ", ".join(file.path.name for file in on_grid)
            todo = f"keep one; {on_grid[0].path.name} is used"
            problems.append(
                warning(f"several ({names})", f"one {name}", todo, case_id=acquisition.case_id)
            )
        if on_grid:
            chosen[name] = on_grid[0].path
    return replace(acquisition, **chosen), problems


def _of(scan: BidsFile, derived: Sequence[BidsFile]) -> Iterator[BidsFile]:
    """Files of the scan's subject and session that name no other run or acquisition."""
    for file in derived:
        same = [file.entities.get(name) == scan.entities.get(name) for name in SHARED[:2]]
        same += [
            file.entities.get(name, scan.entities.get(name)) == scan.entities.get(name)
            for name in SHARED[2:]
        ]
        if all(same) and file.entities.get("space", "") in NATIVE:
            yield file


def _same_header(path: Path, scan: Path) -> bool:
    try:
        (shape, here), (other, there) = read_grid(path), read_grid(scan)
        alike = shape[:3] == other[:3]
        return alike and corners_apart(shape[:3], there, here)[1] <= SAME_GRID_VOX
    except UNREADABLE:  # an affine that cannot be inverted is one of these errors
        return False
