"""Draft of a target file for a user's scans and masks, with measured sizes in comments.

Spacing is the median of the masks; a patch is 1.5 times the largest box around the structures, at
most 96 voxels per side; left and right are paired by name, or else by place; plausible volumes are
half of the smallest to twice the largest one. Each value that a user must check has a comment.
The text is written only if a training could read it.
"""

import textwrap
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path
from statistics import mode
from typing import NamedTuple

import numpy as np
import yaml

from neurotarget.data.batches.placement import Proposal, propose_placement
from neurotarget.data.cases.manifest import read_manifest
from neurotarget.data.labels import IGNORE
from neurotarget.data.layouts.masks import place_masks
from neurotarget.data.scans.volume import file_stem, image_files
from neurotarget.data.tables.label_tables import name_key
from neurotarget.data.tables.named_labels import target_settings
from neurotarget.files.ownership import claim_file
from neurotarget.files.writing import write_text
from neurotarget.printable import one_line
from neurotarget.problems import DataError, nearest, refuse_errors, some
from neurotarget.runs.network.objects import build_foreign
from neurotarget.studies.data_sets.measured_labels import (
    Measured,
    extent_mm,
    measure_labels,
    names_of,
    pairs_by_name,
    pairs_by_place,
    placed,
    selected_cases,
    wrong_sides,
)
from neurotarget.target_relations import NAME
from neurotarget.types import Case, Manifest, Target

STEP_VOX = 8  # patch sides are multiples of it; every network of up to three levels accepts them
LEAST_VOX, MOST_VOX = 32, 96  # sides of a proposed patch
AROUND = 1.5  # side of a patch in sides of the structures' box, for their surroundings
WIDER = (0.5, 2.0)  # plausible volumes: times the smallest and the largest that were found


class Draft(NamedTuple):
    """A written target file: its path and its text."""

    path: Path
    text: str
    table: Path | None  # the manifest that was written for two folders


def init_target(
    places: Sequence[Path | str],
    *,
    name: str | None = None,
    labels: Sequence[str] = (),
    output: Path | str | None = None,
    overwrite: bool = False,
) -> Draft:
    """Draft a target file from scans and masks.

    Args:
        places: a manifest or data set; or a folder of scans and a folder of masks, for which a
            manifest `<name>_cases.tsv` is written next to the target.
        name: of the target; by default that of the folder.
        labels: names or ids of the labels to take; by default all.
        output: the file; by default conf/target/<name>.yaml.
        overwrite: whether a file that neurotarget did not write may be replaced.

    Raises:
        DataError: there is no mask, a label is unknown, masks cannot be read, or the file exists.
    """
    manifest = _manifest(tuple(map(Path, places)))
    own = name or _fit_name(_folder(manifest).resolve().name or "target")
    if not NAME.fullmatch(own):
        raise DataError(f"name: found {own!r}, wanted letters, digits, _, - and .; correct it")
    path = Path(output) if output is not None else Path("conf") / "target" / f"{own}.yaml"
    table = path.with_name(f"{own}_cases.tsv") if len(places) > 1 else None
    for file in (path, *([table] if table else [])):
        claim_file(file, key="output", overwrite=overwrite)
    cases = selected_cases(manifest)
    measured = measure_labels(cases)
    values = sorted({value for one in measured for value in one.found})
    if not values:
        raise DataError(f"{manifest.source}: found only 0 in the masks, wanted labelled voxels")
    names, origin = names_of(values, manifest)
    chosen = _chosen(labels, names)
    text = _text(own, manifest, cases, measured, names, chosen, origin=origin)
    target = build_foreign(
        target_settings(yaml.safe_load(text), None)
    )  # what a training would read
    assert isinstance(target, Target)
    if table:
        write_text(table, _table(manifest))
    write_text(path, text)
    return Draft(path, text, table)


def _manifest(places: tuple[Path, ...]) -> Manifest:
    """The cases of a data set, or of a folder of scans and a folder of masks."""
    if len(places) == 1:
        return read_manifest(places[0], None)
    if len(places) > 2 or not all(place.is_dir() for place in places):
        raise DataError(
            f"init-target: found {some(places)}, wanted one manifest or data set, or a folder of "
            "scans and a folder of masks"
        )
    scans, masks = places
    contrast = _fit_name(scans.name) or "image"
    found = [
        Case(file_stem(path), file_stem(path), {contrast: path}) for path in image_files(scans)
    ]
    if not found:
        raise DataError(f"{scans}: found no scan, wanted NIfTI, MGH, NRRD or MetaImage files")
    cases, problems = place_masks(found, masks)
    refuse_errors(problems)
    return Manifest(tuple(cases), scans)


def _folder(manifest: Manifest) -> Path:
    source = Path(manifest.source)
    return source if source.is_dir() else source.parent


def _chosen(labels: Sequence[str], names: Mapping[int, str]) -> list[int]:
    """Values of labels that are given by name or id."""
    if not labels:
        return [value for value, name in names.items() if name_key(name) != IGNORE]
    chosen, wrong = [], []
    for label in labels:
        fits = [
            value
            for value, name in names.items()
            if label == str(value) or name_key(name) == name_key(label)
        ]
        if not fits:
            close = nearest(label, names.values())
            meant = f"did you mean {close}? " if close else ""
            wrong.append(
                f"labels: found {label}, wanted names or values in the masks, which have "
                f"{some(names.values())}; {meant}correct it"
            )
        chosen += fits
    if wrong:
        raise DataError(wrong)
    return list(dict.fromkeys(chosen))


def _text(
    name: str,
    manifest: Manifest,
    cases: Sequence[Case],
    measured: Sequence[Measured],
    names: Mapping[int, str],
    chosen: Sequence[int],
    *,
    origin: str,
) -> str:
    """The target file."""
    fit = _distinct({value: _fit_name(names[value]) for value in chosen})
    by_name = pairs_by_name({value: names[value] for value in chosen})
    left = [one for one in chosen if not any(one in pair for pair in by_name)]
    by_place = pairs_by_place(measured, left)
    spacing = np.median([one.spacing_mm for one in measured], axis=0).round(2)
    positions = placed(cases, chosen)
    patch = _patch(extent_mm(positions) if positions else spacing * MOST_VOX, spacing, measured)
    contrasts = list(dict.fromkeys(one for case in manifest.cases for one in case.images))
    head = {
        "_target_": "neurotarget.types.Target",
        "name": name,
        "contrasts": contrasts,
    }
    mm3 = {value: _volumes(measured, value) for value in chosen}
    lines = [
        f"# Written by `neurotarget init-target` on {date.today().isoformat()} from "
        f"{len(measured)} of {len(manifest.cases)} cases; read it before you train.",
        *(one_line(_flow({key: value})) for key, value in head.items()),
        'question: ""  # what you want to know, one sentence for the report',
        f"labels:  # value in the masks{f'; names are from {origin}' if origin else ''}",
        *(_label_line(fit[value], value, names, mm3[value]) for value in chosen),
        *_background_lines(names, chosen),
        *_pair_lines(fit, by_name, by_place, measured),
        f"spacing_mm: {_flow(spacing.tolist())}  # {_spacing_note(measured)}",
        f"patch_vox: {_flow(patch)}  # {_patch_note(positions)}",
        *_region_lines(_proposal(positions, spacing, patch, name)),
        *_piece_lines(fit, measured, chosen),
        f"volume_range_mm3:  # {WIDER[0]:g} times the smallest to {WIDER[1]:g} times the largest",
        *(f"  {_flow(fit[value])}: {_flow(_range(mm3[value], measured))}" for value in chosen),
        "surface_tolerance_mm: 1.0  # of the surface Dice; the distance between two raters",
        *_hypothesis_lines(manifest),
    ]
    return "\n".join(lines) + "\n"


def _label_line(name: str, value: int, names: Mapping[int, str], mm3: Sequence[float]) -> str:
    own = "" if names[value] == name else f"{one_line(names[value])}, "
    sizes = f"{min(mm3):.0f} to {max(mm3):.0f} mm³"
    return f"  {_flow(name)}: {value}  # {own}in {len(mm3)} masks, {sizes}"


def _background_lines(names: Mapping[int, str], chosen: Sequence[int]) -> list[str]:
    ignored = [value for value, name in names.items() if name_key(name) == IGNORE]
    lines = [f"ignore_ids: {_flow(ignored)}  # voxels that no rater labelled"] if ignored else []
    rest = len(names) - len(chosen) - len(ignored)
    if rest > 0:
        lines.append(f"background: rest  # the {rest} other values of the masks")
    return lines


def _pair_lines(
    fit: Mapping[int, str],
    by_name: Sequence[tuple[int, int]],
    by_place: Sequence[tuple[int, int]],
    measured: Sequence[Measured],
) -> list[str]:
    lines = ["pairs:  # left, right: exchanged when a scan is mirrored"]
    for pairs, how in ((by_name, ""), (by_place, "  # by place: check which is left")):
        lines += [f"  - {_flow([fit[left], fit[right]])}{how}" for left, right in pairs]
    if len(lines) == 1:
        return ["pairs: []  # [[left, right]] where labels are the two sides of one structure"]
    if wrong := wrong_sides(measured, by_name):
        lines.append(f"# CHECK: left lies to the right of right in {some(wrong)}")
    return lines


def _spacing_note(measured: Sequence[Measured]) -> str:
    kinds = {tuple(np.round(one.spacing_mm, 2)) for one in measured}
    return "of all masks" if len(kinds) == 1 else f"the median of {len(kinds)} different spacings"


def _patch(extent: np.ndarray, spacing: np.ndarray, measured: Sequence[Measured]) -> list[int]:
    """Sides in voxels: the structures with their surroundings, at most the scan."""
    shapes = np.median([np.array(one.shape) * one.spacing_mm for one in measured], axis=0) / spacing
    wanted = np.minimum(AROUND * extent / spacing, np.maximum(shapes, LEAST_VOX))
    rounded = np.ceil(wanted / STEP_VOX) * STEP_VOX
    return np.clip(rounded, LEAST_VOX, MOST_VOX).astype(int).tolist()


def _patch_note(positions: Sequence[object]) -> str:
    if not positions:
        return "no mask could be placed in its scan"
    sides = " × ".join(f"{side:.0f}" for side in extent_mm(positions))
    return f"the structures fill boxes of up to {sides} mm; smaller trains faster"


def _proposal(
    positions: Sequence, spacing: np.ndarray, patch: Sequence[int], name: str
) -> Proposal:
    grid = Target(name, ("t1",), {"a": 1}, spacing_mm=spacing.tolist(), patch_vox=patch)
    return propose_placement(positions, grid)


def _region_lines(proposal: Proposal) -> list[str]:
    if proposal.kind == "none":
        return ["roi: null  # not needed: the labels fill enough of the scans"]
    todo = "" if proposal.roi else ": train with localise=auto, which finds it first"
    reason = textwrap.wrap(proposal.reason[0].upper() + proposal.reason[1:] + todo, 96)
    lines = [f"# {line}" for line in reason]
    if proposal.roi is None:
        return [*lines, "roi: null"]
    roi = proposal.roi
    return [
        *lines,
        "roi:",
        "  _target_: neurotarget.types.Roi",
        f"  anchor: {roi.anchor}",
        f"  offset_mm: {_flow([float(one) for one in roi.offset_mm])}",
        f"  size_mm: {_flow([float(one) for one in roi.size_mm])}",
    ]


def _piece_lines(
    fit: Mapping[int, str], measured: Sequence[Measured], chosen: Sequence[int]
) -> list[str]:
    """Lines on labels in several pieces: the number of pieces in most masks, else any."""
    counts = {
        value: [one.found[value].pieces for one in measured if value in one.found]
        for value in chosen
    }
    usual = {value: mode(many) for value, many in counts.items()}
    pieces = {
        fit[value]: usual[value] if 2 * many.count(usual[value]) > len(many) else "any"
        for value, many in counts.items()
    }
    others = {name: count for name, count in pieces.items() if count != 1}
    if not others:
        return []
    lines = [f"  {_flow(name)}: {count}" for name, count in others.items()]
    return ["pieces:  # connected components in most masks, where not 1", *lines]


def _volumes(measured: Sequence[Measured], value: int) -> list[float]:
    return [one.found[value].volume_mm3 for one in measured if value in one.found]


def _range(mm3: Sequence[float], measured: Sequence[Measured]) -> list[float]:
    """Plausible volumes, mm³, to two digits; from 0 where a mask lacks the label."""
    low = WIDER[0] * min(mm3) if len(mm3) == len(measured) else 0.0
    return [float(f"{low:.2g}"), float(f"{WIDER[1] * max(mm3):.2g}")]


def _hypothesis_lines(manifest: Manifest) -> list[str]:
    """An empty setting `hypotheses`, with examples for the covariates of the data as comments."""
    known = {
        name.casefold(): name
        for case in manifest.cases
        for name, value in case.covariates.items()
        if value is not None
    }
    has = [name for name in ("age", "sex", "group") if name in known]
    lines = ["hypotheses: {}  # questions of the study, such as these; see docs/targets.md"]
    if "sex" in has:
        lines.append(f'#   sex: "volume{" ~ sex + age" if "age" in has else ""}: F > M"')
    if "age" in has:
        lines.append(f'#   age: "volume ~ age{" + sex" if "sex" in has else ""}: negative"')
    if "group" in has:
        lines.append('#   disease: "volume ~ group + age + sex: patient < control"')
    return [*lines, f"# covariates of the data: {some(known.values())}"] if known else lines


def _distinct(names: Mapping[int, str]) -> dict[int, str]:
    """Names; one that is reserved or occurs twice ends in the value of its label."""
    many = list(names.values())
    taken = {name for name, group in groupby(sorted(many)) if len([*group]) > 1} | {"total", IGNORE}
    return {
        value: f"{name}_{value}" if name in taken or not name else name
        for value, name in names.items()
    }


def _fit_name(name: str) -> str:
    """A name of letters, digits, _, - and . only."""
    words = "".join(sign if sign.isalnum() or sign in "_-." else " " for sign in name).split()
    return "_".join(words).lstrip(".")


def _flow(value: object) -> str:
    """A value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    text = text.removesuffix("...\n").strip()
    is_mapping = isinstance(value, Mapping)
    return text[1:-1] if is_mapping else text


def _table(manifest: Manifest) -> str:
    """A manifest of scans and masks in two folders, as TSV with whole paths."""
    contrast = next(iter(manifest.cases[0].images))
    lines = [f"case_id\t{contrast}\tlabel"]
    for case in manifest.cases:
        if case.label:
            scan, mask = case.images[contrast].resolve(), case.label.resolve()
            lines.append(f"{case.case_id}\t{scan}\t{mask}")
    return "\n".join(lines) + "\n"
