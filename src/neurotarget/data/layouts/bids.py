"""BIDS data sets with derivatives, through pybids: raw images, and masks of raters or tools.

The standard: Gorgolewski et al. 2016, doi:10.1038/sdata.2016.44.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from neurotarget.data.layouts.bids_files import list_bids
from neurotarget.data.reading_results import ReadResult, whole_number
from neurotarget.data.tables.participants import add_participants, add_phenotypes, add_sessions
from neurotarget.data.tables.text_table import read_text_table
from neurotarget.files.unfetched import unfetched
from neurotarget.problems import Problem, error, some, warning
from neurotarget.types import Case, Target

Filters = Mapping[str, Mapping[str, str]]
Key = tuple[str, str, str]  # subject, session, run; "" if the name has none

SUFFIX_OF = {
    "t1": "T1w",
    "t2": "T2w",
    "pd": "PDw",
    "flair": "FLAIR",
    "qsm": "Chimap",
    "chimap": "Chimap",
}
LABELS = ("dseg", "mask")
NO_IMAGE = (*LABELS, "probseg", "defacemask")
NATIVE = {"", "orig", "individual", "native", "scanner", "T1w", "T2w"}  # spaces of the scan itself
IN_KEY = {"subject", "session", "run", "suffix", "extension", "datatype"}


class _File(NamedTuple):
    path: Path
    key: Key
    suffix: str
    entities: Mapping[str, str]
    derived: bool

    @property
    def extras(self) -> dict[str, str]:
        """Entities of the name other than subject, session, run and suffix."""
        return {name: value for name, value in self.entities.items() if name not in IN_KEY}


def scan_bids(
    root: Path,
    target: Target | None,
    *,
    filters: Filters | None = None,
    images_only: bool = False,
) -> ReadResult:
    """Read sessions and runs as cases `sub-01_ses-02_run-1` of the subject `sub-01`.

    The suffixes of t1, t2, flair and qsm are T1w, T2w, FLAIR and Chimap, that of any other contrast
    is its name; raw images take precedence over derived ones. Labels are `*_dseg`
    or `*_mask` files in the scan's own space; those whose `label` or `desc` names the target come
    first. A session without one of the contrasts is left out with a warning. Covariates come from
    `participants.tsv` and `sub-*_sessions.tsv`, and covariates that only hypotheses
    name from `phenotype/*.tsv`.

    Args:
        root: folder of the data set; derivatives are read from its folder `derivatives`.
        target: its contrasts; without it each suffix of a raw image is a contrast.
        filters: entities, by pybids' names, that select among several remaining files:
            {"t1": {"acquisition": "mprage"}, "label": {"desc": "rater1"}}.
        images_only: read neither labels nor covariates.
    """
    filters = filters or {}
    pipelines, unread = _derivatives(root)
    files = _index(root, derived=False)
    files += [file for pipeline in pipelines for file in _index(pipeline, derived=True)]
    images = _images(files, target, filters)
    problems = _undescribed_root(root)
    if absent := [contrast for contrast, some in images.items() if not some]:
        return ReadResult(
            [], [*problems, *(_no_suffix(contrast, files, root) for contrast in absent)]
        )
    mask_files = [] if images_only else [file for file in files if file.suffix in LABELS]
    masks = _by_session(file for file in mask_files if _fits(file, filters.get("label", {})))
    grouped = {contrast: _by_session(some) for contrast, some in images.items()}
    cases = []
    for key in _keys(images, masks, all_runs=target is None):
        case, wrong = _case(key, grouped, masks, target, in_native="label" not in filters)
        problems += wrong
        cases += [case] if case is not None else []
    if images_only:
        return ReadResult(cases, problems)
    has_labels = any(case.label for case in cases)
    problems += [problem._replace(level="warning") if has_labels else problem for problem in unread]
    cases, wrong = add_participants(cases, root, target)
    problems += wrong
    cases, wrong = add_sessions(cases, root, target)
    problems += wrong
    cases, wrong = add_phenotypes(cases, root, target)
    label_ids, unread = _lookup_table([*pipelines, root])
    return ReadResult(cases, [*problems, *wrong, *unread], label_ids)


def _derivatives(root: Path) -> tuple[list[Path], list[Problem]]:
    """Find folders of derivatives, and problems of folders without a readable description."""
    home = root / "derivatives"
    if not home.is_dir():
        return [], []
    folders = [home, *sorted(path for path in home.iterdir() if path.is_dir())]
    folders = [path for path in folders if not path.name.startswith(("sub-", "."))]
    described = [path for path in folders if (path / "dataset_description.json").is_file()]
    unread = []
    for folder in folders:
        masks = (mask for kind in LABELS for mask in folder.glob(f"sub-*/**/*_{kind}.nii*"))
        if folder not in described and next(masks, None) is not None:
            todo = (
                'write {"Name": "masks", "BIDSVersion": "1.10.0", "DatasetType": "derivative", '
                '"GeneratedBy": [{"Name": "manual"}]} there, or its masks are not read'
            )
            found = "a derivative without dataset_description.json"
            if absent := unfetched(folder / "dataset_description.json"):
                found, todo = f"{absent.found} for dataset_description.json", absent.todo
            unread.append(error(found, "a described derivative", todo, file=folder))
    return described, unread


def _index(folder: Path, *, derived: bool) -> list[_File]:
    files = []
    for path, entities in list_bids(folder, (".nii.gz", ".nii")):
        subject, session, run = (entities.get(name, "") for name in ("subject", "session", "run"))
        if subject:
            key = (subject, session, run)
            files.append(_File(path, key, entities.get("suffix", ""), entities, derived))
    return files


def _images(
    files: Sequence[_File], target: Target | None, filters: Filters
) -> dict[str, list[_File]]:
    """Find the files of each contrast; without a target each raw suffix is a contrast."""
    images: dict[str, list[_File]] = {}
    if target is None:
        names = {suffix: contrast for contrast, suffix in reversed(SUFFIX_OF.items())}
        for file in files:
            if not file.derived and file.suffix not in NO_IMAGE:
                parts = [f"{name}-{value}" for name, value in sorted(file.extras.items())]
                contrast = "_".join([*parts, names.get(file.suffix, file.suffix)])
                images.setdefault(contrast, []).append(file)
        return images
    for contrast in target.contrasts:
        suffix = SUFFIX_OF.get(contrast.casefold(), contrast).casefold()
        wanted = filters.get(contrast, {})
        images[contrast] = [
            file for file in files if file.suffix.casefold() == suffix and _fits(file, wanted)
        ]
    return images


def _fits(file: _File, wanted: Mapping[str, str]) -> bool:
    return all(file.entities.get(name) == str(value) for name, value in wanted.items())


def _by_session(files: Iterable[_File]) -> dict[tuple[str, str], list[_File]]:
    sessions: dict[tuple[str, str], list[_File]] = {}
    for file in files:
        sessions.setdefault(file.key[:2], []).append(file)
    return sessions


def _keys(
    images: Mapping[str, list[_File]], masks: Mapping[tuple, list[_File]], *, all_runs: bool
) -> list[Key]:
    """List runs of the first contrast, sessions without it, or masks if there are no images.

    Without a target, every run of any contrast is listed.
    """
    keys: dict[Key, None] = {}
    for files in images.values():
        sessions = {key[:2] for key in keys}
        keys |= dict.fromkeys(
            file.key for file in files if all_runs or file.key[:2] not in sessions
        )
    if not keys:
        keys = dict.fromkeys(file.key for files in masks.values() for file in files)
    return sorted(keys)


def _case(
    key: Key,
    images: Mapping[str, Mapping[tuple, list[_File]]],
    masks: Mapping[tuple, list[_File]],
    target: Target | None,
    *,
    in_native: bool,
) -> tuple[Case | None, list[Problem]]:
    parts = zip(("sub", "ses", "run"), key, strict=True)
    case_id = "_".join(f"{entity}-{value}" for entity, value in parts if value)
    chosen, problems = {}, []
    for contrast, sessions in images.items():
        files = _at(sessions, key, shared=target is not None)
        if not files and target is not None:
            found, todo = f"no {contrast} image", "add the file; the session is left out"
            problems.append(warning(found, "all contrasts", todo, case_id=case_id))
            continue
        best = _best(files, _image_rank)
        if len(best) > 1:
            problems.append(_ambiguous(case_id, contrast, best))
        if best:
            chosen[contrast] = best[0].path
    if target is not None and len(chosen) < len(images):
        return None, problems
    labels = _at(masks, key)
    if in_native:
        labels = [file for file in labels if file.entities.get("space", "") in NATIVE]
    labels = _best(labels, lambda file: _label_rank(file, target))
    if len(labels) > 1 and target is not None:
        problems.append(_ambiguous(case_id, "label", labels))
    label = labels[0].path if labels else None
    return Case(case_id, f"sub-{key[0]}", chosen, label), problems


def _at(sessions: Mapping[tuple, list[_File]], key: Key, *, shared: bool = True) -> list[_File]:
    """Return the files of a run; a file without a run belongs to all runs of its session."""
    files = sessions.get(key[:2], [])
    if not shared:
        return [file for file in files if file.key == key]
    for run in (key[2], ""):
        if match := [file for file in files if file.key[2] == run]:
            return match
    only = len({file.key[2] for file in files}) == 1 and not key[2]
    return files if only else []


def _best(files: Sequence[_File], rank: Callable[[_File], tuple | None]) -> list[_File]:
    """Return the files of the lowest rank; files of rank None are excluded."""
    ranked = [(rank(file), file) for file in files]
    lowest = min((place for place, _ in ranked if place is not None), default=None)
    return [file for place, file in ranked if place is not None and place == lowest]


def _image_rank(file: _File) -> tuple:
    return file.derived, file.entities.get("space", "") not in NATIVE, len(file.extras)


def _label_rank(file: _File, target: Target | None) -> tuple | None:
    label, desc = (_plain(file.entities.get(name, "")) for name in ("label", "desc"))
    names = {_plain(name) for name in (target.name, *target.labels)} if target else set()
    named = bool({label, desc} & names)
    if target is not None and not named and (label or (file.suffix == "mask" and desc == "brain")):
        return None  # a mask of another structure
    return not named, file.suffix != "dseg", bool(label), bool(desc)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold())


def _lookup_table(folders: Iterable[Path]) -> tuple[dict[str, int] | None, list[Problem]]:
    """Read label names from the first `*dseg.tsv` in a data set's root (columns index, name)."""
    problems = []
    for folder in folders:
        for path in sorted(folder.glob("*dseg.tsv")):
            table = read_text_table(path)
            problems += table.problems
            named = {row.get("name", ""): row.get("index", "") for row in table.rows}
            ids = {name: whole_number(value) for name, value in named.items()}
            if ids and None not in ids.values():
                return ids, problems
    return None, problems


def _undescribed_root(root: Path) -> list[Problem]:
    if (root / "dataset_description.json").is_file():
        return []
    found = "no dataset_description.json"
    todo = 'write {"Name": "…", "BIDSVersion": "1.10.0"} there; it is read as BIDS'
    if absent := unfetched(root / "dataset_description.json"):
        found, todo = f"{absent.found} for dataset_description.json", absent.todo
    return [warning(found, "a described data set", todo, file=root)]


def _no_suffix(contrast: str, files: Sequence[_File], root: Path) -> Problem:
    suffix = SUFFIX_OF.get(contrast.casefold(), contrast)
    has = sorted({file.suffix for file in files if file.suffix not in NO_IMAGE})
    found = f"no *_{suffix}.nii.gz (only {some(has)})"
    todo = "name the target's contrasts by the suffixes, or loosen the filters"
    return error(found, f"images of the contrast {contrast}", todo, file=root)


def _ambiguous(case_id: str, what: str, files: Sequence[_File]) -> Problem:
    names = ", ".join(file.path.name for file in files)
    every = [set(file.entities.items()) for file in files]
    differ = sorted({name for name, _ in set.union(*every) - set.intersection(*every)} - IN_KEY)
    todo = f"choose by a filter such as {{{what}: {{{(differ or ['desc'])[0]}: …}}}}"
    return error(f"{len(files)} files for {what}: {names}", "one", todo, case_id=case_id)
