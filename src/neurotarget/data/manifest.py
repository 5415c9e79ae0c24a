"""The validated table of cases, whatever form the data set has."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from neurotarget.data.bids import Filters, scan_bids
from neurotarget.data.covariates import check_hypotheses
from neurotarget.data.found import Found, error, read_json
from neurotarget.data.masks import part_repeats, place_masks
from neurotarget.data.msd import scan_msd
from neurotarget.data.nnunet import scan_nnunet
from neurotarget.data.splits import split_conflicts
from neurotarget.data.table import scan_table
from neurotarget.data.volume import missing_file
from neurotarget.types import Case, DataError, Manifest, Problem, Target

KINDS = "a CSV or TSV file, or an MSD, nnU-Net raw or BIDS folder"
ENDINGS = (".csv", ".tsv")
NO_NAME = re.compile(r"[\x00-\x1f/\\:*?\"<>|]|^\.|^$")  # what no file may be called


class _Options(NamedTuple):
    root: Path | None
    need_images: bool
    images_only: bool
    filters: Filters | None


def read_manifest(
    source: Path | str,
    target: Target | None,
    *,
    root: Path | str | None = None,
    need_images: bool = True,
    images_only: bool = False,
    filters: Filters | None = None,
    masks: Path | str | None = None,
    repeats: bool = False,
) -> Manifest:
    """Read the cases of a data set; see `scan_manifest` for the options.

    Raises:
        DataError: everything that is wrong with the data set, in one list.
    """
    manifest, problems = scan_manifest(
        source,
        target,
        root=root,
        need_images=need_images,
        images_only=images_only,
        filters=filters,
        masks=masks,
        repeats=repeats,
    )
    errors = [problem for problem in problems if problem.level == "error"]
    if errors or manifest is None:
        raise DataError(errors)
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
    """Read the cases that can be read and all that is wrong with them; None where there are none.

    `source` is a CSV or TSV file, or a folder: MSD, nnU-Net raw, BIDS. For a table, `root` is the
    folder that its paths start from, and `need_images=False` allows cases that have only masks;
    `filters` choose among files of a BIDS data set (see `scan_bids`). With `images_only`, as
    prediction asks, masks, splits, folds and covariates are neither read nor checked.

    `masks` is a folder that the masks are in, whatever the data set says (see `place_masks`). With
    `repeats`, rows of one case_id with masks of their own are several masks of one scan: each
    becomes a case, called `<case_id>_mask1` and so on, and is told. Both are for studies of masks.
    `need_files=False` asks nothing of the files of cases: their scores are studied, not they.
    """
    source = Path(source).expanduser()
    root = Path(root).expanduser() if root is not None else None
    options = _Options(root, need_images, images_only, filters)
    found = _scan(source, target, options)
    cases, problems = found.cases, list(found.problems)
    if repeats:  # by what the table names, though the folder may lack it
        cases, told = part_repeats(cases)
        problems += told
    if masks is not None and cases:
        cases, told = place_masks(cases, Path(masks).expanduser())
        problems += told
    cases = tuple(cases)
    problems += [*_check_names(cases), *split_conflicts(cases)]
    # whose mask is in no folder of masks was told already
    checked = [case for case in cases if masks is None or case.images or case.label]
    checked = checked if need_files else []
    problems += [problem for case in checked for problem in _check_files(case)]
    if target is not None and cases:
        problems += check_hypotheses(cases, target)
    if not cases and not any(problem.level == "error" for problem in problems):
        problems.append(error("no case", "at least one", "add cases", file=source))
    problems = list(dict.fromkeys(problems))
    return (Manifest(cases, source, found.label_ids) if cases else None), problems


def _scan(source: Path, target: Target | None, options: _Options) -> Found:
    if not source.exists():
        return Found([], [error("no such file or folder", KINDS, "check the path", file=source)])
    if source.is_file() and source.suffix.lower() in ENDINGS:
        root, need_images, images_only, _ = options
        return scan_table(
            source, target, root=root, need_images=need_images, images_only=images_only
        )
    folder = source if source.is_dir() else source.parent
    if folder.name in ("imagesTr", "labelsTr"):
        folder = folder.parent
    if source.is_dir() or source.name == "dataset.json":
        if (folder / "dataset.json").is_file():
            description, _ = read_json(folder / "dataset.json")
            listed = isinstance(description.get("training"), list)
            scan = scan_msd if listed else scan_nnunet
            return scan(folder, target, images_only=options.images_only)
        if _is_bids(folder):
            return scan_bids(
                folder, target, filters=options.filters, images_only=options.images_only
            )
    return Found([], [_unknown_kind(source)])


def _is_bids(folder: Path) -> bool:
    has_subjects = any(path.is_dir() for path in folder.glob("sub-*"))
    return has_subjects or (folder / "dataset_description.json").is_file()


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
            problems.append(error(f"case_id {case_id!r} {times} times", "one row a case", todo))
        if NO_NAME.search(case_id):
            todo = "rename it: files are called after their case"
            wanted = "letters, digits, - and _"
            problems.append(error(f"case_id {case_id!r}", wanted, todo))
    return problems


def _check_files(case: Case) -> list[Problem]:
    if not case.images and case.label is None:
        todo = "fill in its paths, or leave the case out"
        return [error("neither image nor label", "a file", todo, case_id=case.case_id)]
    masks = [*([case.label] if case.label else []), *case.raters.values()]
    paths = [*case.images.values(), *masks]
    found = [missing_file(path, case_id=case.case_id) for path in dict.fromkeys(paths)]
    return [problem for problem in found if problem is not None]
