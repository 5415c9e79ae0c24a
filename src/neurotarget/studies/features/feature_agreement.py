"""Features measured again with other masks, and how well they agree with the first."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from neurotarget.files.writing import write_text
from neurotarget.image_features.feature_names import described
from neurotarget.report.radiomics.agreement_page import agreement_html, agreement_sentence
from neurotarget.stats.radiomics.mask_agreement import mask_agreement
from neurotarget.studies.measure_features import FIXED, TABLE, Measured
from neurotarget.studies.study_folder import software, write_tsv

AGREEMENT = "agreement"
AGAIN = "again"  # folder of the further tables, by mask


class FeatureAgreement(NamedTuple):
    """ICC(A,1) of each feature over the masks, one sentence on all, and the page."""

    table: pd.DataFrame
    sentence: str
    page: Path


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
