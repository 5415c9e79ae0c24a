"""`localise=propose|auto|none`: choose a region of interest or a cascade for a small target.

If the target fills less than a hundredth of the scan, `propose` prints a suggestion and `auto`
applies it: a region of interest at a fixed place, or a cascade. A region or cascade in the
configuration is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neurotarget.data.attempts import attempts
from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.batches.placement import Placed, Proposal, measure_mask, propose_placement
from neurotarget.data.cases.checkup import examine
from neurotarget.data.labels import class_of_id, cut_labels, to_classes
from neurotarget.data.scans.geometry import whole_grid
from neurotarget.problems import DataError, errors_of
from neurotarget.runs.folder.run_folder import read_config
from neurotarget.runs.network.objects import build_foreign, read_from
from neurotarget.types import Case, Manifest, Roi, Target, TripleVox

CHOICES = ("propose", "auto", "none")
MOST_READ = 48  # training cases whose masks are measured, one per subject
Config = Mapping[str, Any]


class Located(NamedTuple):
    """The configuration and target with a region or cascade, and sentences about them."""

    config: dict[str, Any]
    target: Target
    lines: list[str]


def located(
    config: Config,
    data: TargetData,
    folder: Path,
    *,
    resumed: bool,
    patch_vox: TripleVox | None = None,
) -> Located:
    """Propose or set a region or a cascade for a small target; a resumed run keeps its own.

    Nothing is proposed for 2-D images, which a network sees whole or in patches. Errors in the
    data are ignored here; the preparation reports them.

    Args:
        config: configuration with `localise`: propose, auto or none.
        data: data module whose training cases are measured.
        folder: folder of a resumed run.
        resumed: whether the run is resumed.
        patch_vox: least size of a region, by default the target's patch.

    Raises:
        DataError: the setting is unknown.
    """
    setting, target = config["localise"], data.target
    if setting not in CHOICES:
        raise DataError(f"localise: got {setting!r}, wanted one of {', '.join(CHOICES)}")
    kept = Located(dict(config), target, [])
    if resumed:
        return _as_before(kept, folder)
    is_decided = setting == "none" or target.roi is not None or config["cascade"]["localise"]
    if is_decided or target.is_flat or data.learns_from != "labels":
        return kept
    try:
        manifest, cases = data.read_training()
    except DataError:
        return kept  # the preparation of the data reports all problems together
    fitted = replace(target, patch_vox=patch_vox or target.patch_vox)
    proposal = propose_placement(placed_masks(manifest, cases, target), fitted)
    if proposal.kind == "none":
        return kept
    if setting == "propose":
        return kept._replace(lines=_advice(proposal))
    return _with(kept, proposal)


def placed_masks(manifest: Manifest, cases: Sequence[Case], target: Target) -> list[Placed]:
    """Measure the masks of training cases, one per subject; an even selection if there are many.

    Cases with broken files, and those whose target may extend into ignored voxels, are skipped; the
    preparation reports all problems together.

    Args:
        manifest: manifest with the data set's own label ids.
        cases: training cases.
        target: labels and working grid.
    """
    mapping = class_of_id(target, manifest.label_ids)
    by_subject = {case.subject_id: case for case in cases if case.label is not None}
    selected = list(by_subject.values())
    places = np.linspace(0, len(selected) - 1, min(MOST_READ, len(selected))).round().astype(int)

    def one(case: Case) -> Placed | None:
        """Measure the position of the mask of one case; None if that is impossible."""
        checkup, volumes = examine(case, target, mapping)
        if errors_of(checkup.problems):
            return None
        classes = to_classes(volumes["label"].array, mapping)
        first = volumes[target.contrasts[0]]
        if cut_labels(classes, target):
            return None  # the target may extend into ignored voxels
        mask = (classes > 0) & (classes != target.ignored_class)
        grid = whole_grid(first.array.shape, first.affine, target.spacing_mm)
        return measure_mask(mask, first.array, grid, case_id=case.case_id)

    with attempts(one, [selected[place] for place in places], workers=2) as masks:
        return [mask for mask in masks if isinstance(mask, Placed)]


def _advice(proposal: Proposal) -> list[str]:
    does = "trains in that box" if proposal.kind == "region" else "finds it first (a cascade)"
    return [
        f"LOOK      {proposal.reason}",
        f"          a network on whole scans may not learn it: localise=auto {does}; "
        "localise=none leaves this message out",
    ]


def _with(kept: Located, proposal: Proposal) -> Located:
    config, target = kept.config, kept.target
    if proposal.roi is None:
        config = {**config, "cascade": {**config["cascade"], "localise": True}}
        return Located(config, target, [f"localise  {proposal.reason}: a first stage finds it"])
    roi = asdict(proposal.roi)
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in roi.items()}
    node = {"_target_": "neurotarget.types.Roi", **plain}
    config = {**config, "target": {**config["target"], "roi": node}}
    lines = [f"localise  {proposal.reason}: training and prediction see that box"]
    return Located(config, replace(target, roi=proposal.roi), lines)


def _as_before(kept: Located, folder: Path) -> Located:
    """Return the region or cascade that a resumed run was trained with."""
    before = read_config(folder)
    config, cascade = kept.config, before.get("cascade")
    target = before.get("target")
    roi = target.get("roi") if isinstance(target, dict) else None
    if isinstance(cascade, dict) and cascade.get("localise") is True:
        config = {**config, "cascade": {**config["cascade"], "localise": True}}
    if roi is None:
        return Located(config, kept.target, [])
    with read_from(folder / "config.yaml"):
        made = build_foreign(roi)
    if not isinstance(made, Roi):
        raise DataError(
            f"{folder}/config.yaml: found no region of interest in target.roi, wanted the one that "
            "the run was started with; restore the file"
        )
    config = {**config, "target": {**config["target"], "roi": roi}}
    return Located(config, replace(kept.target, roi=made), [])
