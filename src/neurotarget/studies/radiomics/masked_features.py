"""One row per case with the features of the parts of its mask, from scans and masks.

Columns are `<contrast>_<part>_<feature>`. Features of shape are the same in all contrasts, and kept
once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from neurotarget.data.cases.manifest import read_manifest
from neurotarget.image_features.feature_settings import FeatureSettings
from neurotarget.problems import DataError, error, errors_of, refuse_errors, some
from neurotarget.studies.features.feature_regions import Labels
from neurotarget.studies.measure_features import FIXED, Measured, measure_features
from neurotarget.studies.study_inputs import covariate_table
from neurotarget.types import Manifest, Target


@dataclass(frozen=True, kw_only=True)
class MaskedScans:
    """Scans and masks of a data set, and the parts to measure; empty settings take all.

    `masks` is a folder of masks in place of the data set's own.
    """

    manifest: Path
    target: Target
    masks: Path | None = None
    contrasts: Sequence[str] = ()
    parts: Sequence[str] = ()  # labels and regions of the target


class FeatureTable(NamedTuple):
    """One row per case: case_id, subject_id, covariates and features; and what was measured.

    Features are NaN where a region was not measured; `notes` name such regions.
    """

    table: pd.DataFrame
    contrasts: tuple[str, ...]
    parts: tuple[str, ...]
    notes: tuple[str, ...]


def features_of_masks(
    scans: MaskedScans,
    *,
    settings: FeatureSettings,
    folder: Path,
    workers: int = 1,
    perturb: str = "",
) -> FeatureTable:
    """Measure the parts of each mask, and join them with what is known of the people.

    Args:
        scans: data set, and which parts and contrasts of it.
        settings: of the features.
        folder: gets features.tsv and features.json, as of `neurotarget features`.
        workers: number of processes that measure cases in parallel.
        perturb: change of each mask, see `image_features.perturbation`; "" for none.

    Raises:
        DataError: the data set cannot be read, a contrast or part is unknown, no region was
            measured, a covariate has the name of a feature, or units are mixed.
    """
    target = replace(scans.target, outcomes=())
    labels = part_ids(target, scans.parts)
    manifest = _chosen(read_manifest(scans.manifest, target, masks=scans.masks), scans.contrasts)
    measured = measure_features(
        manifest, folder, settings, labels=labels, workers=workers, perturb=perturb
    )
    refuse_errors(errors_of(measured.problems))
    wide = wide_table(measured)
    people = covariate_table(manifest.cases).reset_index()
    if clash := sorted({*people} & {*wide}):
        found = f"the covariates {some(clash)}"
        raise DataError(error(found, "other names, which features do not have", "rename them"))
    notes = tuple(str(one) for one in measured.problems)
    contrasts = tuple(measured.table["contrast"].unique())
    return FeatureTable(people.join(wide, on="case_id"), contrasts, tuple(labels), notes)


def part_ids(target: Target, parts: Sequence[str]) -> Labels:
    """Ids in masks of labels and regions of a target; without names, of all labels.

    `parts` are names in the target's `parts`; a region has the ids of all its labels.

    Raises:
        DataError: a part is unknown.
    """
    if unknown := [name for name in parts if name not in target.parts]:
        found = f"radiomics.parts: {some(unknown)}"
        raise DataError(error(found, f"labels or regions of {target.name}",
                              f"it has {some(target.parts)}"))  # fmt: skip
    ids = {name: (one,) if isinstance(one, int) else tuple(one)
           for name, one in target.labels.items()}  # fmt: skip
    chosen = parts or target.label_names
    return {name: tuple(number for label in target.parts[name] for number in ids[label])
            for name in chosen}  # fmt: skip


def _chosen(manifest: Manifest, contrasts: Sequence[str]) -> Manifest:
    """The manifest with these contrasts only, in this order."""
    if not contrasts:
        return manifest
    known = dict.fromkeys(name for case in manifest.cases for name in case.images)
    if unknown := [name for name in contrasts if name not in known]:
        found = f"radiomics.contrasts: {some(unknown)}"
        raise DataError(error(found, "contrasts of the data set", f"it has {some(known)}",
                              file=manifest.source))  # fmt: skip
    cases = [replace(case, images=_of(case.images, contrasts)) for case in manifest.cases]
    return replace(manifest, cases=tuple(cases))


def _of(images: Mapping[str, Path], contrasts: Sequence[str]) -> dict[str, Path]:
    return {name: images[name] for name in contrasts if name in images}


def wide_table(measured: Measured) -> pd.DataFrame:
    """Features of all regions of a case in one row; regions that were not measured are gaps.

    The result is indexed by `case_id`; a feature that is equal in all cases of two contrasts, as
    those of shape are, is kept for the first.

    Raises:
        DataError: no region was measured; the message has the reasons.
    """
    done = measured.table[measured.table["status"] == "done"]
    if not len(done):
        raise DataError(error("no region that could be measured", "at least one",
                              "; ".join(sorted(set(measured.table["note"])))))  # fmt: skip
    features = [name for name in done.columns if name not in FIXED]
    parts: list[pd.DataFrame] = []
    known: dict[tuple[str, str], pd.Series] = {}
    for (contrast, label), group in done.groupby(["contrast", "label"], sort=False):
        own = group.set_index("case_id")[features].dropna(axis="columns", how="all")
        first = [name for name, values in own.items()
                 if not values.equals(known.setdefault((str(label), str(name)), values))
                 or known[str(label), str(name)] is values]  # fmt: skip
        parts.append(own[first].add_prefix(f"{contrast}_{label}_"))
    return pd.concat(parts, axis="columns")
