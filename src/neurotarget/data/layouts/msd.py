"""Data sets of the Medical Segmentation Decathlon: a dataset.json that lists images and labels.

Source: Antonelli et al. 2022, doi:10.1038/s41467-022-30695-9.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from neurotarget.data.formats.members import member
from neurotarget.data.layouts.nnunet_raw import channel_names, channels_of, miscounted
from neurotarget.data.reading_results import ReadResult, named_labels, read_json
from neurotarget.data.scans.volume import file_stem
from neurotarget.data.tables.participants import add_participants
from neurotarget.files.reading import is_there
from neurotarget.files.written_paths import place
from neurotarget.problems import error
from neurotarget.types import Case, Target


def scan_msd(folder: Path, target: Target | None, *, images_only: bool = False) -> ReadResult:
    """Read the training cases of an MSD data set; its unlabelled test images are left out.

    Several channels are read from separate files (`CASE_0000.nii.gz`, as in nnU-Net v1), or else
    from the fourth axis of the file. Covariates come from a `participants.tsv` in the folder.

    Args:
        folder: with `dataset.json`.
        target: its contrasts, found by the names of the channels; without it these names are the
            contrasts.
        images_only: read neither labels nor covariates.
    """
    path = folder / "dataset.json"
    description, problems = read_json(path)
    entries = description.get("training")
    if not isinstance(entries, list):
        found = error("no list of training cases", "training: […]", "export it again", file=path)
        return ReadResult([], problems or [found])
    names = channel_names(description)
    channels, wrong = channels_of(target, names)
    cases = []
    for entry in entries:
        if not isinstance(entry, Mapping) or "image" not in entry:
            todo = "write {image: path, label: path}"
            problems.append(error(f"the training entry {entry}", "an image", todo, file=path))
            continue
        image = place(folder, str(entry["image"]))
        if image.name.startswith("._"):  # resource forks that macOS adds to archives
            continue
        has_label = entry.get("label") and not images_only
        label = place(folder, str(entry["label"])) if has_label else None
        split_up = _channel_files(image, channels)
        case_id = re.sub(r"_0000$", "", file_stem(image))
        images = split_up or {
            contrast: member(image, number) if len(names) > 1 else image
            for contrast, number in channels.items()
        }
        cases.append(Case(case_id, case_id, images, label))
    problems += [problem._replace(file=str(path)) for problem in wrong]
    problems += miscounted(description, len(cases), path)
    if images_only:
        return ReadResult(cases, problems)
    cases, wrong = add_participants(cases, folder, target)
    return ReadResult(cases, problems + wrong, named_labels(description.get("labels")))


def _channel_files(image: Path, channels: Mapping[str, int]) -> dict[str, Path] | None:
    stem = re.sub(r"_0000$", "", file_stem(image))
    suffix = image.name[len(file_stem(image)) :]
    if not is_there(image.with_name(f"{stem}_0000{suffix}")):  # a broken link counts as there
        return None
    return {
        contrast: image.with_name(f"{stem}_{number:04d}{suffix}")
        for contrast, number in channels.items()
    }
