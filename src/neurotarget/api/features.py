"""Radiomics features from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from neurotarget.api.data import Table, TargetLike, as_file, new_folder, read_target
from neurotarget.data.cases.manifest import read_manifest
from neurotarget.image_features.feature_settings import FeatureSettings
from neurotarget.problems import refuse_errors
from neurotarget.studies.features.feature_agreement import measure_and_compare
from neurotarget.studies.features.feature_choices import (
    brain_masks,
    labels_of,
    merged_ids,
    with_bins,
)


def features(
    source: Table,
    output: Path | str | None = None,
    *,
    target: TargetLike | None = None,
    masks: Path | str | None = None,
    labels: Mapping[str, int | tuple[int, ...]] | None = None,
    brains: Path | str | None = None,
    fit_on: str | None = None,
    save_images: bool = False,
    histograms: bool = False,
    second: Path | str | None = None,
    perturb: Sequence[str] = (),
    workers: int = 1,
    overwrite: bool = False,
    **settings: Any,  # noqa: ANN401
) -> pd.DataFrame:
    """Measure radiomics features of all regions of a data set.

    Args:
        source: a manifest, its path, or the folder of a data set.
        output: folder for features.tsv and features.json; without it no file is kept.
        target: the target whose contrasts and labels are measured.
        masks: folder of masks that replace those of the data set.
        labels: regions by name, each an id or several that are merged; otherwise each value of a
            mask is a region.
        brains: folder of brain masks, for `normalise`; by default the voxels of a skull-stripped
            scan that differ from its background.
        fit_on: training cases of `normalise="nyul"`: `train`, `all`, or a file with a case_id per
            line.
        save_images: whether the prepared images and response maps of each region are kept.
        histograms: whether histograms.tsv, with percentiles of each region, and a figure of all
            cases are written.
        second: folder of a second mask of each case; the agreement of the features of both is in
            `attrs["agreement"]` of the result, and in agreement.html of the output.
        perturb: changes of the masks whose features are compared in the same way: `erode`,
            `dilate`, `shift`, `contour`.
        workers: number of cases that are measured in parallel.
        overwrite: whether files that neurotarget did not write may be replaced.
        settings: those of `FeatureSettings`, such as `bin_size=25` or `convention="pyradiomics"`.

    Returns:
        One row per case, contrast and label, with its status, and one column per feature.

    Raises:
        DataError: the data set or a setting is invalid, or images of one contrast have two units.
    """
    known = None if target is None else read_target(target, data=source)
    manifest = read_manifest(as_file(source), known, masks=masks)
    measured, compared = measure_and_compare(
        manifest,
        new_folder() if output is None else Path(output),
        second=None if second is None else read_manifest(as_file(source), known, masks=second),
        perturb=tuple(perturb),
        settings=with_bins(FeatureSettings(**settings), known),
        labels=merged_ids(labels) if labels else labels_of(known),
        brains=brain_masks(manifest, None if brains is None else Path(brains)),
        fit_on=fit_on,
        save_images=save_images,
        histograms=histograms,
        workers=workers,
        overwrite=overwrite,
    )
    refuse_errors(measured.problems)
    if compared is not None:
        measured.table.attrs["agreement"] = compared.table
    return measured.table
