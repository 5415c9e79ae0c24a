"""Measure features again with other masks, and compute their agreement with the first."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from neurotarget.files.writing import write_text
from neurotarget.image_features.feature_names import described
from neurotarget.image_features.perturbation import check_perturbations
from neurotarget.report.radiomics.agreement_page import agreement_html, agreement_sentence
from neurotarget.stats.radiomics.mask_agreement import mask_agreement
from neurotarget.studies.measure_features import FIXED, TABLE, Measured, measure_features
from neurotarget.studies.study_folder import software, write_tsv
from neurotarget.types import Manifest

AGREEMENT = "agreement"
AGAIN = "again"  # folder of the further tables, by mask


class FeatureAgreement(NamedTuple):
    """ICC(A,1) of each feature over the masks, one sentence on all, and the page."""

    table: pd.DataFrame
    sentence: str
    page: Path


def measure_and_compare(
    manifest: Manifest,
    output: Path,
    *,
    second: Manifest | None = None,
    perturb: Sequence[str] = (),
    save_images: bool = False,
    histograms: bool = False,
    command: str = "",
    **settings: Any,  # noqa: ANN401
) -> tuple[Measured, FeatureAgreement | None]:
    """Measure features as `measure_features` does, and with other masks of the same cases.

    Args:
        manifest: cases with masks.
        output: folder; tables of other masks are written to its folder `again`.
        second: the same cases with a second mask.
        perturb: changes of the masks: erode, dilate, shift or contour.
        save_images: see `measure_features`.
        histograms: see `measure_features`.
        command: the command line, for the page.
        settings: further ones of `measure_features`.

    Returns:
        The features, and their agreement, or None without other masks.

    Raises:
        DataError: a perturbation is unknown, or as of `measure_features`.
    """
    check_perturbations(perturb)
    images = {"save_images": save_images, "histograms": histograms}
    measured = measure_features(manifest, output, **images, **settings)
    again = {}
    if second is not None:
        again["second"] = measure_features(second, output / AGAIN / "second", **settings)
    for name in perturb:
        place = output / AGAIN / name
        again[name] = measure_features(manifest, place, perturb=name, **settings)
    if not again:
        return measured, None
    return measured, write_agreement(measured, again, output, command=command)


def write_agreement(
    first: Measured, again: Mapping[str, Measured], output: Path, *, command: str = ""
) -> FeatureAgreement:
    """Compare features of the same regions by several masks; write agreement.tsv and .html.

    Args:
        first: measured with the masks as given.
        again: measured with others; `second`, or the names of perturbations.
        output: folder of the first table, which neurotarget owns.
        command: the command line, for the page.
    """
    features = [name for name in first.table.columns if name not in FIXED]
    tables = [first.table, *(one.table.reindex(columns=first.table.columns)
                             for one in again.values())]  # fmt: skip
    table = mask_agreement(tables, features)
    named = {name: described(name) for name in features}
    families = {name: one.family if one else "other" for name, one in named.items()}
    done = [set(one.loc[one["status"] == "done", "case_id"]) for one in tables]
    facts = {"features": TABLE, **({"command": command} if command else {}), "software": software()}
    write_tsv(table, output / f"{AGREEMENT}.tsv")
    page = output / f"{AGREEMENT}.html"
    html = agreement_html(table, list(again), families, cases=len(set.intersection(*done)),
                          facts=facts)  # fmt: skip
    write_text(page, html)
    return FeatureAgreement(table, agreement_sentence(table), page)
