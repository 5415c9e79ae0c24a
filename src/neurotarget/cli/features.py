"""`neurotarget features`: radiomics features of the regions of a data set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from neurotarget.cli.arguments import PLACE, Positional, read_arguments
from neurotarget.cli.settings import integer
from neurotarget.cli.targets import load_target
from neurotarget.data.cases.manifest import read_manifest
from neurotarget.data.cases.masks import place_masks
from neurotarget.image_features.feature_settings import BINS, FeatureSettings
from neurotarget.problems import errors_of, refuse_errors
from neurotarget.studies.features.feature_regions import Labels
from neurotarget.studies.measure_features import (
    SIDECAR,
    TABLE,
    measure_features,
    parse_labels,
)
from neurotarget.types import Manifest, Target


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command besides the settings of the features."""

    source: Annotated[Path, Positional("a manifest or a data set"), PLACE]
    output: Path
    target: str | None = None
    trust: bool = False
    masks: Path | None = None
    labels: tuple[str, ...] = ()
    brains: Path | None = None
    fit_on: str | None = None
    save_images: bool = False
    histograms: bool = False
    workers: Annotated[int, integer(1, 256)] = 1
    overwrite: bool = False


def run(argv: Sequence[str]) -> int:
    """Write the table of features, and print what is wrong with it.

    Returns 2 if a region could not be measured, or units are mixed.
    """
    arguments, settings = read_arguments("features", argv, Arguments, FeatureSettings)
    target = (
        load_target(arguments.target, source=arguments.source, trust=arguments.trust)
        if arguments.target
        else None
    )
    manifest = read_manifest(arguments.source, target, masks=arguments.masks)
    measured = measure_features(
        manifest,
        arguments.output,
        with_bins(settings, target),
        labels=parse_labels(arguments.labels) or labels_of(target),
        brains=brain_masks(manifest, arguments.brains),
        fit_on=arguments.fit_on,
        save_images=arguments.save_images,
        histograms=arguments.histograms,
        workers=arguments.workers,
        overwrite=arguments.overwrite,
    )
    for problem in measured.problems:
        print(f"{problem.level}: {problem}")
    counts = measured.table["status"].value_counts()
    print(", ".join(f"{count} regions {status}" for status, count in counts.items()))
    print(f"features  {arguments.output / TABLE}\nsettings  {arguments.output / SIDECAR}")
    return 2 if errors_of(measured.problems) or "failed" in counts else 0


def with_bins(settings: FeatureSettings, target: Target | None = None) -> FeatureSettings:
    """The settings with 32 bins, if neither their number nor their size is given.

    Contrasts with a unit in the target are calibrated, unless a number of bins is asked for all.
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
