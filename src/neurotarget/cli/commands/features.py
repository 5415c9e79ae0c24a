"""`neurotarget features`: radiomics features of the regions of a data set."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from neurotarget.cli.arguments import PLACE, Input, Positional, read_arguments
from neurotarget.cli.configs.targets import load_target
from neurotarget.cli.settings import integer
from neurotarget.data.cases.manifest import read_manifest
from neurotarget.image_features.feature_settings import FeatureSettings
from neurotarget.image_features.perturbation import check_perturbations
from neurotarget.problems import errors_of
from neurotarget.studies.features.feature_agreement import measure_and_compare
from neurotarget.studies.features.feature_choices import brain_masks, labels_of, with_bins
from neurotarget.studies.measure_features import (
    SIDECAR,
    TABLE,
    parse_labels,
)

MASKS = Input("folder of masks", Path.is_dir)


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command besides the settings of the features.

    Attributes:
        target: target with contrasts and labels; None measures each value of the masks.
        masks: folder of masks that replace those of the data set.
        labels: regions such as `core:1+4`; if empty, the labels of the target, or each mask value.
        brains: folder of brain masks, which some methods of normalisation need.
        fit_on: training cases of `normalise=nyul`: `train`, `all`, or a file of case ids.
        save_images: keep the prepared images and response maps of each region.
        histograms: also write percentiles of each region and a figure.
        workers: number of cases that are measured in parallel.
    """

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
    second: Annotated[Path, MASKS] | None = None
    perturb: tuple[str, ...] = ()
    workers: Annotated[int, integer(1, 256)] = 1
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Refuse perturbations that are unknown."""
        check_perturbations(self.perturb)


def run(argv: Sequence[str]) -> int:
    """Write the table of features, and print its problems.

    Returns 2 if a region could not be measured, or units are mixed; the table is written anyway.

    Raises:
        DataError: an argument is invalid, the data have errors, or the output is not neurotarget's.
    """
    arguments, settings = read_arguments("features", argv, Arguments, FeatureSettings)
    target = (
        load_target(arguments.target, source=arguments.source, trust=arguments.trust)
        if arguments.target
        else None
    )
    manifest = read_manifest(arguments.source, target, masks=arguments.masks)
    second = None
    if arguments.second:
        second = read_manifest(arguments.source, target, masks=arguments.second)
    measured, compared = measure_and_compare(
        manifest,
        arguments.output,
        second=second,
        perturb=arguments.perturb,
        settings=with_bins(settings, target),
        labels=parse_labels(arguments.labels) or labels_of(target),
        brains=brain_masks(manifest, arguments.brains),
        fit_on=arguments.fit_on,
        save_images=arguments.save_images,
        histograms=arguments.histograms,
        workers=arguments.workers,
        overwrite=arguments.overwrite,
        command=shlex.join(["neurotarget", "features", *argv]),
    )
    for problem in measured.problems:
        print(f"{problem.level}: {problem}")
    counts = measured.table["status"].value_counts()
    print(", ".join(f"{count} regions {status}" for status, count in counts.items()))
    print(f"features  {arguments.output / TABLE}\nsettings  {arguments.output / SIDECAR}")
    if compared is not None:
        print(f"agreement {compared.page}\n{compared.sentence}")
    return 2 if errors_of(measured.problems) or "failed" in counts else 0
