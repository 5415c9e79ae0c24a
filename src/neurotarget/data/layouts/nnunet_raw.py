"""nnU-Net raw folders: imagesTr/CASE_0000.nii.gz for each channel, labelsTr/CASE.nii.gz."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from neurotarget.data.reading_results import ReadResult, named_labels, read_json
from neurotarget.data.tables.participants import add_participants
from neurotarget.files.written_paths import place
from neurotarget.problems import Problem, error, some, warning
from neurotarget.types import Case, Target

# names of the same contrast
ALIASES = {"t1w": "t1", "t2w": "t2", "t1ce": "t1c", "t1gd": "t1c", "chimap": "qsm", "pdw": "pd"}
ALIASES |= {"t1n": "t1", "t2f": "flair"}


class _Layout(NamedTuple):
    folder: Path
    ending: str
    channels: Mapping[str, int]  # contrast → channel number
    images_only: bool = False


def scan_nnunet(folder: Path, target: Target | None, *, images_only: bool = False) -> ReadResult:
    """Read an nnU-Net v2 raw data set; cases of `imagesTs` with labels are the test split.

    Folds come from a `splits_final.json` in the folder; covariates from a `participants.tsv`. Each
    case is another subject.

    Args:
        folder: with `dataset.json`.
        target: its contrasts, found by the names of the channels; without it these names are the
            contrasts.
        images_only: all scans of `imagesTr` and `imagesTs` are cases, with or without labels;
            neither labels, folds nor covariates are read.
    """
    description, problems = read_json(folder / "dataset.json")
    if problems:
        return ReadResult([], problems)
    channels, wrong = channels_of(target, channel_names(description))
    problems += [problem._replace(file=str(folder / "dataset.json")) for problem in wrong]
    ending = str(description.get("file_ending", ".nii.gz"))
    layout = _Layout(folder, ending, channels, images_only)
    has_test = (folder / ("imagesTs" if images_only else "labelsTs")).is_dir()
    listed = description.get("dataset")
    if isinstance(listed, Mapping):  # nnU-Net's way to list files in other places
        wrong = [name for name, entry in listed.items() if not _is_entry(entry)]
        if wrong:
            todo = "write {images: [paths], label: path}"
            found = f"no list of images for {some(wrong)}"
            problems.append(error(found, "images", todo, file=folder / "dataset.json"))
        cases = [
            _listed_case(case_id, entry, layout)
            for case_id, entry in listed.items()
            if _is_entry(entry)
        ]
    else:
        cases = _cases(layout, "Tr", "train" if has_test else None)
    if has_test:
        cases += _cases(layout, "Ts", "test")
    trained = sum(case.split != "test" for case in cases)
    problems += miscounted(description, trained, folder / "dataset.json")
    if images_only:
        return ReadResult(cases, problems)
    cases, wrong = _with_folds(cases, folder / "splits_final.json")
    problems += wrong
    cases, wrong = add_participants(cases, folder, target)
    return ReadResult(cases, problems + wrong, named_labels(description.get("labels")))


def channel_names(description: Mapping) -> list[str]:
    """Read the channel names of a `dataset.json` in order; the key is `modality` in MSD.

    The list is empty if the file names none.
    """
    names = description.get("channel_names") or description.get("modality") or {}
    names = names.values() if isinstance(names, Mapping) else names
    several = isinstance(names, Iterable) and not isinstance(names, str)
    return [str(name) for name in (names if several else [names])]


def channels_of(
    target: Target | None, names: Sequence[str]
) -> tuple[dict[str, int], list[Problem]]:
    """Find the number of the channel of each contrast of a target, by the channels' names.

    Names match in upper and lower case and in other spellings (T1w is t1); a single channel matches
    a single contrast whatever its name. Without a target the contrasts get the channels' names.

    Args:
        target: its contrasts, or None.
        names: of the channels, in order.

    Returns:
        Channel number by contrast, without contrasts that have no channel; and a problem that lists
        such contrasts.
    """
    if target is None:
        return {name: number for number, name in enumerate(names)} or {"image": 0}, []
    if len(names) <= 1 and len(target.contrasts) == 1:
        return {target.contrasts[0]: 0}, []
    known = {_usual_channel(name): number for number, name in enumerate(names)}
    absent = [contrast for contrast in target.contrasts if _usual_channel(contrast) not in known]
    problems = []
    if absent:
        found = f"no channel {', '.join(absent)} (only {some(names)})"
        todo = "name the channels in dataset.json as the target's contrasts"
        problems.append(error(found, f"the contrasts {', '.join(target.contrasts)}", todo))
    return {
        contrast: known[_usual_channel(contrast)]
        for contrast in target.contrasts
        if contrast not in absent
    }, problems


def _usual_channel(name: str) -> str:
    plain = re.sub(r"[\s_-]", "", name.casefold())
    return ALIASES.get(plain, plain)


def _cases(layout: _Layout, part: str, split: str | None) -> list[Case]:
    """Read the cases of a part (Tr, Ts); unmasked test scans only with `images_only`."""
    images, labels = (layout.folder / f"{kind}{part}" for kind in ("images", "labels"))
    channel = re.compile(rf"(.+)_\d{{4}}{re.escape(layout.ending)}")
    matches = [channel.fullmatch(name) for name in _names(images)]
    case_ids = {match.group(1) for match in matches if match}
    if not layout.images_only:
        masks = {name for name in _names(labels) if name.endswith(layout.ending)}
        masks = {name.removesuffix(layout.ending) for name in masks}
        case_ids = masks if split == "test" else case_ids | masks
    return [
        Case(
            case_id=case_id,
            subject_id=case_id,
            images={
                contrast: images / f"{case_id}_{number:04d}{layout.ending}"
                for contrast, number in layout.channels.items()
            },
            label=None if layout.images_only else labels / f"{case_id}{layout.ending}",
            split=split,
        )
        for case_id in sorted(case_ids)
    ]


def _listed_case(case_id: str, entry: Mapping, layout: _Layout) -> Case:
    files = [place(layout.folder, str(name)) for name in entry.get("images", [])]
    has_label = entry.get("label") and not layout.images_only
    return Case(
        case_id=str(case_id),
        subject_id=str(case_id),
        images={
            contrast: files[number]
            for contrast, number in layout.channels.items()
            if number < len(files)
        },
        label=place(layout.folder, str(entry["label"])) if has_label else None,
        split="train" if (layout.folder / "labelsTs").is_dir() else None,
    )


def _is_entry(entry: object) -> bool:
    return isinstance(entry, Mapping) and isinstance(entry.get("images", []), list)


def _names(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return [path.name for path in folder.iterdir() if not path.name.startswith(".")]


def miscounted(description: Mapping, found: int, path: Path) -> list[Problem]:
    """Warn if the number of training cases differs from `dataset.json`.

    Args:
        description: content of `dataset.json`; without `numTraining` there is no warning.
        found: number of training cases.
        path: of `dataset.json`, for the message.
    """
    expected = description.get("numTraining")
    if expected is None or str(expected) == str(found):
        return []
    todo = "complete the data set, or correct numTraining"
    return [warning(f"{found} training cases", f"numTraining {expected}", todo, file=path)]


def _with_folds(cases: list[Case], path: Path) -> tuple[list[Case], list[Problem]]:
    if not path.is_file():
        return cases, []
    content, problems = read_json(path, kind=list)
    try:
        folds = {str(name): number for number, fold in enumerate(content) for name in fold["val"]}
    except (TypeError, KeyError):
        todo = "write a list of {train: […], val: […]}, or remove the file"
        return cases, [error("folds of another form", "nnU-Net's folds", todo, file=path)]
    return [replace(case, fold=folds.get(case.case_id)) for case in cases], problems
