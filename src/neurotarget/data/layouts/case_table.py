"""Manifests as CSV or TSV tables with one row per case."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from neurotarget.data.layouts.participant_rows import as_cases
from neurotarget.data.reading_results import ReadResult, whole_number
from neurotarget.data.scans.volume import SUFFIXES
from neurotarget.data.tables.columns import masked_columns
from neurotarget.data.tables.covariates import type_covariates
from neurotarget.data.tables.text_table import TextTable, is_missing, read_text_table
from neurotarget.files.written_paths import place
from neurotarget.problems import Problem, error, nearest, some, warning
from neurotarget.target_relations import NAME
from neurotarget.types import RESERVED, Case, Target

SPLITS = {"training": "train", "validation": "val", "valid": "val", "testing": "test"}
SPLITS |= {name: name for name in ("train", "val", "test", "external")}
RATER = "label_"  # prefix of the columns of masks by further raters
TAKEN = ("reference", "predicted", "all")  # reserved: names of other masks in tables


def scan_table(
    path: Path,
    target: Target | None,
    *,
    root: Path | None = None,
    need_images: bool = True,
    images_only: bool = False,
) -> ReadResult:
    """Read a table of cases; its paths are relative to its folder, or to `root`.

    Columns, in upper or lower case: `case_id`, `subject_id` (default: each case is a subject),
    paths of each contrast of the target (named as the contrast, `<contrast>_path`, or `image` if
    there is only one), `label`, `split` or `fold`, and `label_<rater>` for masks of the same scan
    by further raters. Every other column is a covariate. A table of people, with `participant_id`
    in place of `case_id`, lists one scan each (see `participant_rows`).

    Args:
        path: CSV or TSV.
        target: its contrasts; without it every column of image paths, but not of masks, is one.
        root: folder to which paths are relative; by default the folder of the table.
        need_images: whether a case that lacks a contrast of the target is a problem.
        images_only: read ids and images only.
    """
    table = as_cases(read_text_table(path), path, target, root or path.parent)
    known = {name.casefold(): name for name in table.columns}
    if "case_id" not in known:
        return ReadResult([], [*table.problems, _no_case_id(table, path)])
    reserved = RESERVED[:2] if images_only else RESERVED
    roles = {name: known[name] for name in reserved if name in known}
    if not images_only and "label" not in roles and "label_path" in known:
        roles["label"] = known["label_path"]
    raters, odd = _rater_columns(table, roles, path)
    contrasts = _contrast_columns(table, [*roles.values(), *raters.values()], target)
    problems = [*table.problems, *([] if images_only else odd)]
    problems += _masked(table, [*reserved, *(target.contrasts if target else ())], path)
    if not images_only:
        used = {*roles.values(), *contrasts.values()}
        problems += _column_problems(table, roles, used, raters.values(), path=path)
    need_images = need_images and target is not None
    if need_images:
        problems += [
            _no_contrast(contrast, table, path)
            for contrast in target.contrasts
            if contrast not in contrasts
        ]
    used = {*roles.values(), *contrasts.values(), *raters.values(), *_image_columns(table)}
    spare = [] if images_only else [name for name in table.columns if name not in used]
    texts = [{name: row[name] for name in spare} for row in table.rows]
    case_ids = [row[roles["case_id"]] for row in table.rows]
    covariates, wrong = type_covariates(texts, case_ids, target=target, file=path)
    problems += wrong
    cases = []
    for row, values in zip(table.rows, covariates, strict=True):
        cells = {role: row[column] for role, column in roles.items()}
        images = {name: row[column] for name, column in contrasts.items()}
        case, wrong = _case(cells, images, values, root or path.parent, path)
        if not images_only:
            rater_paths = {name: row[column] for name, column in raters.items()}
            case = replace(case, raters=_placed(root or path.parent, rater_paths))
        if need_images:
            wrong += [_no_image(case, name, path) for name in images if name not in case.images]
        cases.append(case)
        problems += wrong
    return ReadResult(cases, problems)


def _case(
    cells: Mapping[str, str],
    images: Mapping[str, str],
    covariates: Mapping,
    root: Path,
    path: Path,
) -> tuple[Case, list[Problem]]:
    case_id, problems = cells["case_id"], []
    split, fold = None, None
    if text := _given(cells, "split"):
        split = SPLITS.get(text.casefold())
        if split is None:
            todo = f"write {nearest(text, SPLITS.values()) or 'one of them'}"
            wanted = "train, val, test or external"
            problems.append(error(f"split {text!r}", wanted, todo, case_id=case_id, file=path))
    if text := _given(cells, "fold"):
        fold = whole_number(text.removesuffix(".0"))
        if fold is None or fold < 0:
            fold = None
            todo = "number the folds 0, 1, 2, …"
            found = f"fold {text!r}"
            problems.append(error(found, "a whole number", todo, case_id=case_id, file=path))
    label = _given(cells, "label")
    case = Case(
        case_id=case_id,
        subject_id=_given(cells, "subject_id") or case_id,
        images=_placed(root, images),
        label=place(root, label) if label else None,
        split=split,
        fold=fold,
        covariates=covariates,
    )
    return case, problems


def _given(cells: Mapping[str, str], role: str) -> str:
    text = cells.get(role, "")
    return "" if is_missing(text) else text


def _placed(root: Path, texts: Mapping[str, str]) -> dict[str, Path]:
    """Return the paths by name, without empty ones."""
    return {name: place(root, text) for name, text in texts.items() if not is_missing(text)}


def _rater_columns(
    table: TextTable, roles: Mapping[str, str], path: Path
) -> tuple[dict[str, str], list[Problem]]:
    """Find the column of each further rater, by name, and problems of these columns.

    A column without image files counts as a covariate, unless it is empty.
    """
    columns_by_rater, problems = {}, []
    for column in table.columns:
        name = column[len(RATER) :]
        own = name.removesuffix("_path") or name
        if not column.casefold().startswith(RATER) or column in roles.values() or own == "path":
            continue
        values = [row[column] for row in table.rows if not is_missing(row[column])]
        if values and not any(value.lower().endswith(SUFFIXES) for value in values):
            todo = "rename it, or give the paths of masks; it is read as a covariate"
            content = f"the column {column} without an image file (such as {values[0]})"
            problems.append(warning(content, "masks of a rater", todo, file=path))
            continue
        if own.casefold() in TAKEN or not NAME.fullmatch(own) or own in columns_by_rater:
            todo = f"rename the column, such as {RATER}rater2"
            letters = "of letters, digits, _, - and ., other than"
            wanted = f"a name of its own for the rater, {letters} {', '.join(TAKEN)}"
            problems.append(error(f"the column {column}", wanted, todo, file=path))
        columns_by_rater[own] = column
    return columns_by_rater, problems


def _contrast_columns(
    table: TextTable, taken: Sequence[str], target: Target | None
) -> dict[str, str]:
    """Find the column of each contrast, in the target's order."""
    if target is None:
        columns = [name for name in _image_columns(table) if name not in taken]
        return {name.removesuffix("_path"): name for name in columns}
    known = {name.casefold(): name for name in table.columns}
    columns_by_contrast = {}
    for contrast in target.contrasts:
        names = [contrast, f"{contrast}_path"]
        names += ["image", "image_path"] if len(target.contrasts) == 1 else []
        match = next((name for name in names if name.casefold() in known), None)
        if match is not None:
            columns_by_contrast[contrast] = known[match.casefold()]
    return columns_by_contrast


def _image_columns(table: TextTable) -> list[str]:
    def has_images(name: str) -> bool:
        """Return whether more than half of a column's cells name image files."""
        values = [row[name] for row in table.rows if not is_missing(row[name])]
        like = sum(value.lower().endswith(SUFFIXES) for value in values)
        return 2 * like > len(values)

    return [name for name in table.columns if has_images(name)]


def _column_problems(
    table: TextTable,
    roles: Mapping[str, str],
    used: Collection[str],
    raters: Collection[str],
    *,
    path: Path,
) -> list[Problem]:
    problems = []
    for name in table.columns:
        absent = [role for role in RESERVED if role not in roles]
        if name not in {*used, *raters} and (close := nearest(name, absent, cutoff=0.8)):
            todo = f"rename it if you mean {close}; it is read as a covariate"
            problems.append(warning(f"the column {name}", close, todo, file=path))
    spare = [name for name in _image_columns(table) if name not in used]
    if "label" not in roles and spare:
        todo = "rename the column of masks to label"
        found = f"no column label, but paths in {', '.join(spare)}"
        problems.append(warning(found, "a column label", todo, file=path))
    return problems


def _masked(table: TextTable, names: Sequence[str], path: Path) -> list[Problem]:
    """Find columns that only look like a known column and would be read as covariates."""
    return [
        error(f"the column {column!a}, which only looks like {name}", name, "rename it", file=path)
        for column, name in masked_columns(table.columns, names).items()
    ]


def _no_case_id(table: TextTable, path: Path) -> Problem:
    usual = [name for name in ("subject_id",) if name in table.columns]
    close = [*usual, nearest("case_id", table.columns)][0]
    todo = f"rename the column {close}, or add one" if close else "add the column"
    found = f"no column case_id (only {some(table.columns)})"
    return error(found, "a column case_id", todo, file=path)


def _no_contrast(contrast: str, table: TextTable, path: Path) -> Problem:
    close = nearest(contrast, _image_columns(table), cutoff=0.4)
    todo = f"rename the column {close}" if close else f"add a column {contrast} of image paths"
    found = f"no column {contrast} (only {some(table.columns)})"
    return error(found, f"paths of the {contrast} images", todo, file=path)


def _no_image(case: Case, contrast: str, path: Path) -> Problem:
    todo = "fill in the path, or leave the case out"
    found = f"no {contrast} image"
    return error(found, "one path per contrast", todo, case_id=case.case_id, file=path)
