"""Default choices of measurements: bins, the labels of a target, and brain masks in a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from neurotarget.data.layouts.masks import place_masks
from neurotarget.image_features.feature_settings import BINS, FeatureSettings
from neurotarget.problems import refuse_errors
from neurotarget.studies.features.feature_regions import Labels
from neurotarget.types import Manifest, Target


def with_bins(settings: FeatureSettings, target: Target | None = None) -> FeatureSettings:
    """The settings with 32 bins, if neither their number nor their size is given.

    Contrasts with a unit in the target are calibrated, unless a number of bins is given for all.
    """
    units = tuple(target.units) if target else ()
    if units and not settings.calibrated and (settings.bins is None or settings.bin_size):
        return replace(settings, calibrated=units)
    is_given = settings.bins is not None or settings.bin_size is not None
    return settings if is_given else replace(settings, bins=BINS)


def brain_masks(manifest: Manifest, folder: Path | None) -> dict[str, Path]:
    """Brain masks of the cases in a folder, by case.

    Raises:
        DataError: the folder does not exist, or files of one case are not unique.
    """
    if folder is None:
        return {}
    placed, problems = place_masks(manifest.cases, folder)
    refuse_errors(problems)
    return {case.case_id: case.label for case in placed if case.label is not None}


def labels_of(target: Target | None) -> Labels | None:
    """Labels of a target with all their ids; None without one."""
    if target is None or not target.labels:
        return None
    return merged_ids(target.labels)


def merged_ids(labels: Mapping[str, int | Sequence[int]]) -> Labels:
    """Labels with a tuple of ids each."""
    return {name: (ids,) if isinstance(ids, int) else tuple(ids) for name, ids in labels.items()}
