"""Radiomics studies from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from neurotarget.api.data import Table, as_file, new_folder
from neurotarget.api.table_results import TableResults
from neurotarget.stats.radiomics.radiomic_models import RadiomicModel
from neurotarget.stats.radiomics.relevance import Selection
from neurotarget.studies.from_tables.radiomic_choices import check_together, radiomic_settings
from neurotarget.studies.from_tables.radiomic_question import Radiomics as Asked
from neurotarget.studies.from_tables.radiomics import make_radiomics
from neurotarget.studies.from_tables.written_tables import check_external


class Radiomics(TableResults):
    """A radiomics study: its results, its tables by name, and its files."""

    @property
    def predictions(self) -> pd.DataFrame:
        """Table with one row per person: outcome, and predictions of models fitted to others."""
        return self.tables["predictions"]


def radiomics(
    table: Table,
    outcome: str,
    time: str = "",
    *,
    number: bool = False,
    clinical: Sequence[str] = (),
    image: Sequence[str] = (),
    where: str = "",
    unit: str = "days",
    id_column: str = "",
    site: str = "",
    combat: bool = True,
    by_site: bool = False,
    model: RadiomicModel | None = None,
    select: Selection = "univariate",
    features: int = 10,
    correlation: float = 0.9,
    balance: bool = False,
    folds: int = 5,
    repeats: int = 10,
    permutations: int = 100,
    matters: float = 0.02,
    second: Table | None = None,
    stable: float = 0.75,
    external: Table | None = None,
    external_where: str = "",
    names: Mapping[str, str] | None = None,
    output: Path | str | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> Radiomics:
    """Test whether image features predict an outcome, and whether they add to clinical terms.

    ```
    nt.radiomics(people, "idh=mutant", clinical=["age", "sex"], image=["original_*"])
    ```

    Args:
        table: a file or DataFrame with one row per person.
        outcome: a column of two values, or `<column>=<value>`; with `time`, the column that is 1
            where the event was observed.
        number: whether the outcome is a column of numbers, which ridge regression predicts.
        time: column of the time to the event, for Cox's model.
        clinical: terms: columns, or `<column>=<value>`.
        image: patterns of columns; by default the columns named after a family of features.
        where: rows to keep, such as "resection=GTR; site=a|b".
        unit: unit of the times: days, weeks, months or years.
        id_column: column of ids.
        site: column of sites.
        combat: whether effects of sites are removed, within the training folds.
        by_site: whether one site is left out at a time.
        model: logistic, elastic_net, svm, forest, boosting; cox for times; ridge for numbers.
        select: univariate, mrmr, lasso or none.
        features: largest number of image features in a model.
        correlation: largest rank correlation of two features that are both kept.
        balance: whether classes are weighted to equal sums.
        folds: number of cross-validation folds.
        repeats: number of repetitions of the cross-validation.
        permutations: number of permutations of the permutation test.
        matters: smallest gain of AUC or C that matters.
        second: the same features of a second mask or scan of some people; features with an
            ICC(A,1) below `stable` are left out, before the folds and without the outcome.
        stable: least ICC(A,1).
        external: another cohort, to which the models are applied unchanged.
        external_where: rows of the other cohort to keep.
        names: mapping of columns and terms of `table` to differing names in the other cohort.
        output: folder to write into.
        seed: seed of folds, permutations and intervals.
        overwrite: whether files that neurotarget did not write may be replaced.

    Raises:
        DataError: a table cannot be used, or too few people are left.
    """
    check_together(time=time, number=number, model=model, site=site, by_site=by_site)
    check_external(external, of_external=bool(names or external_where))
    done = make_radiomics(
        as_file(table),
        Asked(
            outcome=outcome,
            is_number=number,
            time=time,
            unit=unit,
            case_id=id_column,
            where=where,
            clinical=tuple(clinical),
            image=tuple(image),
            site=site,
            second=() if second is None else (as_file(second),),
            stable=stable,
            external=None if external is None else as_file(external),
            external_where=external_where,
            names=dict(names or {}),
        ),
        radiomic_settings(
            time=time,
            number=number,
            site=site,
            combat=combat,
            by_site=by_site,
            model=model,
            select=select,
            features=features,
            correlation=correlation,
            balance=balance,
            folds=folds,
            repeats=repeats,
            permutations=permutations,
            matters=matters,
            seed=seed,
        ),
        Path(output) if output is not None else new_folder() / "radiomics",
        overwrite=overwrite,
    )
    return Radiomics.of(done)
