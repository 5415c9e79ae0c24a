"""The validated table of cases, read from a data set of any supported layout."""

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from neurotarget.data.cases.paired_folders import masks_folder, scan_paired
from neurotarget.data.cases.splits import split_conflicts
from neurotarget.data.layouts.bids import Filters, scan_bids
from neurotarget.data.layouts.brats import is_brats, scan_brats
from neurotarget.data.layouts.case_table import scan_table
from neurotarget.data.layouts.masks import part_repeats, place_masks
from neurotarget.data.layouts.msd import scan_msd
from neurotarget.data.layouts.nnunet_raw import scan_nnunet
from neurotarget.data.layouts.participant_rows import listed_people
from neurotarget.data.reading_results import ReadResult, read_json
from neurotarget.data.scans.volume import missing_file
from neurotarget.data.tables.covariates import check_hypotheses, check_sexes
from neurotarget.files.reading import is_there
from neurotarget.files.unfetched import Unfetched, unfetched
from neurotarget.files.writing import expand_home
from neurotarget.problems import Problem, error, errors_of, refuse_errors
from neurotarget.types import Case, Manifest, Target

log = logging.getLogger(__name__)

KINDS = "a CSV or TSV file, or an MSD, nnU-Net raw, BIDS or BraTS folder, or images/ with masks/"
LONGEST_ID = 150  # bytes of a case_id: file names of case_id plus label have at most 255
PARTICIPANTS = "participants.tsv"  # of a BIDS data set; only the people listed there are read
ENDINGS = (".csv", ".tsv", ".txt")  # spreadsheets export tab-separated text as .txt
NO_NAME = re.compile(r"[\x00-\x1f/\\:*?\"<>|\ud800-\udfff]|^\.|^$")  # forbidden in file names


class _Options(NamedTuple):
    root: Path | None
    need_images: bool
    images_only: bool
    filters: Filters | None


def read_manifest(source: Path | str, target: Target | None, **options: object) -> Manifest:
    """Read the cases of a data set and log warnings.

    Args:
        source: table or folder, see `scan_manifest`.
        target: its contrasts, labels and hypotheses; None to read whatever there is.
        options: those of `scan_manifest`.

    Raises:
        DataError: a list of all problems of the data set.
    """
    manifest, problems = scan_manifest(source, target, **options)
    refuse_errors(problems)
    assert manifest is not None  # without cases there is an error
    for problem in problems:
        log.warning("%s", problem)
    return manifest


def scan_manifest(
    source: Path | str,
    target: Target | None,
    *,
    root: Path | str | None = None,
    need_images: bool = True,
    images_only: bool = False,
    filters: Filters | None = None,
    masks: Path | str | None = None,
    repeats: bool = False,
    need_files: bool = True,
) -> tuple[Manifest | None, list[Problem]]:
    """Read the cases of a data set and list all its problems; None without a readable case.

    A case with a file that was not fetched (a broken link of git-annex or datalad, a pointer file)
    is left out with a warning, or with an error if no case is left.

    Args:
        source: a CSV or TSV file (of cases, or of people), or a folder: MSD, nnU-Net raw, BIDS,
            BraTS, or `images/` with `masks/`.
        target: its contrasts, labels and hypotheses; None to read whatever there is.
        root: folder to which paths in a table are relative; by default the folder of the table.
        need_images: False allows cases of a table that have only masks.
        images_only: whether only images are read and checked, for a prediction; masks, splits,
            folds and covariates are ignored.
        filters: select among files of a BIDS data set, see `scan_bids`.
        masks: folder of masks, which replace those of the data set, see `place_masks`; for studies
            of masks.
        repeats: rows with the same case_id and different masks are several masks of one scan: each
            becomes a case, called `<case_id>_mask1` and so on, and is reported; for studies of
            masks.
        need_files: whether the files of cases must exist; False for studies of existing scores.
    """
    source = expand_home(source)
    root = expand_home(root) if root is not None else None
    options = _Options(root, need_images, images_only, filters)
    scan = _scan(source, target, options)
    cases, problems = scan.cases, list(scan.problems)
    if repeats:  # before `place_masks`, as it compares the masks that the table lists
        cases, added = part_repeats(cases)
        problems += added
    if masks is not None and cases:
        cases, added = place_masks(cases, expand_home(masks))
        problems += added
    if need_files:
        cases, added = _with_files(cases, options, has_masks=masks is not None)
        problems += added
    cases = tuple(cases)
    problems += [*_check_names(cases), *split_conflicts(cases), *check_sexes(cases)]
    if target is not None and cases:
        problems += check_hypotheses(cases, target)
    if not cases and not errors_of(problems):
        problems.append(error("no case", "at least one", "add cases", file=source))
    problems = list(dict.fromkeys(problems))
    return (Manifest(cases, source, scan.label_ids) if cases else None), problems


def _scan(source: Path, target: Target | None, options: _Options) -> ReadResult:
    if not source.exists():
        absent = unfetched(source) or Unfetched("no such file or folder", "check the path")
        return ReadResult([], [error(absent.found, KINDS, absent.todo, file=source)])
    if source.name == PARTICIPANTS and _is_bids(source.parent):
        scan = _scan_folder(source.parent, source.parent, target, options)
        return scan._replace(cases=listed_people(scan.cases, source))
    if source.is_file() and source.suffix.lower() in ENDINGS:
        root, need_images, images_only, _ = options
        return scan_table(
            source, target, root=root, need_images=need_images, images_only=images_only
        )
    folder = source if source.is_dir() else source.parent
    if folder.name in ("imagesTr", "labelsTr"):
        folder = folder.parent
    if source.is_dir() or source.name == "dataset.json":
        if is_there(folder / "dataset.json"):
            description, _ = read_json(folder / "dataset.json")
            listed = isinstance(description.get("training"), list)
            scan = scan_msd if listed else scan_nnunet
            return scan(folder, target, images_only=options.images_only)
        return _scan_folder(source, folder, target, options)
    return ReadResult([], [_unknown_kind(source)])


def _scan_folder(
    source: Path, folder: Path, target: Target | None, options: _Options
) -> ReadResult:
    """Read a folder without a `dataset.json`."""
    if source.is_dir() and masks_folder(folder):
        return scan_paired(folder, target, images_only=options.images_only)
    if _is_bids(folder):
        return scan_bids(folder, target, filters=options.filters, images_only=options.images_only)
    if source.is_dir() and is_brats(folder):
        return scan_brats(folder, target, images_only=options.images_only)
    return ReadResult([], [_unknown_kind(source)])


def _is_bids(folder: Path) -> bool:
    has_subjects = any(path.is_dir() for path in folder.glob("sub-*"))
    return has_subjects or is_there(folder / "dataset_description.json")


def _unknown_kind(source: Path) -> Problem:
    todo = "write a table with the columns case_id, one per contrast, and label"
    if source.is_dir() and (tables := sorted(source.glob("*.[ct]sv"))):
        todo = f"give the table itself, such as {tables[0].name}"
    elif source.is_dir() and (source / "imagesTr").is_dir():
        todo = "put its dataset.json back"
    return error("no data set of a known kind", KINDS, todo, file=source)


def _check_names(cases: Sequence[Case]) -> list[Problem]:
    problems = []
    for case_id, times in Counter(case.case_id for case in cases).items():
        if times > 1:
            todo = "give each scan session an id of its own, or remove the copies"
            problems.append(error(f"case_id {case_id!r} {times} times", "one row per case", todo))
        if NO_NAME.search(case_id):
            todo = "rename it: files are named after their case"
            wanted = "letters, digits, - and _"
            problems.append(error(f"case_id {case_id!r}", wanted, todo))
        if (size := len(case_id.encode("utf-8", "replace"))) > LONGEST_ID:
            todo = "shorten it: files are named after their case"
            found = f"the case_id {case_id[:20]}… of {size} bytes"
            problems.append(error(found, f"at most {LONGEST_ID}", todo))
    return problems


def _with_files(
    cases: Sequence[Case], options: _Options, *, has_masks: bool
) -> tuple[list[Case], list[Problem]]:
    """Leave out cases whose files were not fetched; also return the problems of all files.

    With `images_only` (for prediction) a case with missing files is kept without a problem as long
    as another case is complete: its prediction then fails with the reason.
    """
    kept, problems = [], []
    for case in cases:
        # a case without a mask in the folder of masks has been reported already
        wrong = _check_files(case) if not has_masks or case.images or case.label else []
        if options.images_only or not any(unfetched(Path(item.file)) for item in wrong):
            kept.append(case)
            problems += wrong
            continue
        case, added = _without_unfetched(case, wrong, need_images=options.need_images)
        kept += [case] if case else []
        problems += added
    broken = {problem.case_id for problem in errors_of(problems)}
    if options.images_only and any(case.case_id not in broken for case in kept):
        problems = []
    if cases and not kept:
        problems = [problem._replace(level="error") for problem in problems]
    return kept, problems


def _without_unfetched(
    case: Case, wrong: Sequence[Problem], *, need_images: bool
) -> tuple[Case | None, list[Problem]]:
    """Return a case without its unfetched files; None if the case needs one of them."""
    absent = {item.file for item in wrong if unfetched(Path(item.file))}
    needed = [case.label, *(case.images.values() if need_images or not case.label else ())]
    is_left_out = any(str(path) in absent for path in needed if path)
    rest = "the case is left out" if is_left_out else "the case is kept without it"
    problems = [
        item._replace(level="warning", todo=f"{item.todo}; {rest}") if item.file in absent else item
        for item in wrong
    ]
    if is_left_out:
        return None, problems

    def there(files: Mapping[str, Path]) -> dict[str, Path]:
        """Return the files whose content was fetched."""
        return {name: path for name, path in files.items() if str(path) not in absent}

    return replace(case, images=there(case.images), raters=there(case.raters)), problems


def _check_files(case: Case) -> list[Problem]:
    if not case.images and case.label is None:
        todo = "fill in its paths, or leave the case out"
        return [error("neither image nor label", "a file", todo, case_id=case.case_id)]
    masks = [*([case.label] if case.label else []), *case.raters.values()]
    paths = [*case.images.values(), *masks]
    problems = [missing_file(path, case_id=case.case_id) for path in dict.fromkeys(paths)]
    return [problem for problem in problems if problem is not None]
