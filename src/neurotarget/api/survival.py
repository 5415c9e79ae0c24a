"""Survival studies from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from neurotarget.api.data import Table, TargetLike, as_file, new_folder, read_target
from neurotarget.api.table_results import TableResults
from neurotarget.problems import DataError
from neurotarget.stats.survival.survival_models import ModelKind
from neurotarget.stats.survival.survival_study import Settings
from neurotarget.studies.from_tables.written_tables import check_external
from neurotarget.studies.survival.make_survival import Columns, Questions, make_survival
from neurotarget.studies.survival.mask_survival import Masks, make_mask_survival


class Survival(TableResults):
    """A survival study: its results, its tables by name, and its files."""

    @property
    def risks(self) -> pd.DataFrame:
        """Table with one row per person: score and risks with intervals, fitted and held out."""
        return self.tables.get("risks", pd.DataFrame())


def survival(
    table: Table | None = None,
    time: str = "",
    event: str = "",
    *,
    run: Path | str | Sequence[Path | str] = (),
    manifest: Table | None = None,
    target: TargetLike | None = None,
    masks: Path | str = "",
    clinical: Sequence[str] = (),
    image: Sequence[str] = (),
    sets: Mapping[str, Sequence[str]] | None = None,
    group: str = "",
    where: str = "",
    event_is: str = "",
    unit: str = "days",
    id_column: str = "",
    model: ModelKind = "cox",
    months: Sequence[float] = (6, 12, 24),
    folds: int = 5,
    repeats: int = 10,
    matters: float = 0.02,
    external: Table | None = None,
    external_where: str = "",
    names: Mapping[str, str] | None = None,
    output: Path | str | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> Survival:
    """Estimate survival, fit survival models, and test whether images improve on clinical terms.

    ```
    nt.survival(people, "days", "died", clinical=["age", "sex"], image=["volume"])
    nt.survival(run="runs/tumour/latest", time="survival_days", event="event", clinical=["age"])
    ```

    Args:
        table: a file or DataFrame with one row per person; with masks, a table of further columns.
        time: column of the time to the event, or to the end of follow-up.
        event: column that is 1 where the event was observed; without it all events were observed.
        run: finished runs, whose masks of held-out cases are measured.
        manifest: a data set whose masks are measured; it needs `target`.
        target: target of the data set.
        masks: `predicted` or `reference` masks of runs; or a folder of masks in place of those of
            the data set.
        clinical: terms, each a column, `<column>=<value>`, or `<name>: norm(x+y+z)`.
        image: terms from images, compared with the clinical terms and added to them; for masks
            `<part>_ml` and `<part>_distance_mm`.
        sets: further sets of terms by name; each set is compared with the clinical terms.
        group: column of groups whose curves are compared.
        where: rows to keep, such as "resection=GTR; site=a|b".
        event_is: value of the column `event` that means that the event was observed.
        unit: unit of the times: days, weeks, months or years.
        id_column: column of ids.
        model: cox, linear or forest.
        months: horizons of the predicted risks.
        folds: number of cross-validation folds; 0 leaves one person out at a time.
        repeats: number of repetitions of the cross-validation.
        matters: smallest gain in C that matters.
        external: another cohort, to which the models are applied unchanged.
        external_where: rows of the other cohort to keep.
        names: mapping of columns and terms of `table` to differing names in the other cohort.
        output: folder to write into.
        seed: seed of folds and intervals.
        overwrite: whether files that neurotarget did not write may be replaced.

    Raises:
        DataError: a table cannot be used, or too few people or events are left.
    """
    check_external(external, of_external=bool(names or external_where))
    columns = Columns(
        time=time, event=event, event_is=event_is, unit=unit, case_id=id_column, where=where
    )
    questions = Questions(
        clinical=tuple(clinical),
        image=tuple(image),
        sets=dict(sets or {}),
        group=group,
        external=None if external is None else as_file(external),
        external_where=external_where,
        names=dict(names or {}),
        settings=Settings(model, tuple(months), folds, repeats, matters, seed),
    )
    folder = Path(output) if output is not None else new_folder() / "survival"
    people = None if table is None else as_file(table)
    if measured := _masks(run, manifest, target, str(masks)):
        measured = measured._replace(table=people)
        done = make_mask_survival(measured, columns, questions, folder, overwrite=overwrite)
    elif people is None or not time:
        raise DataError("nt.survival: found no people, wanted table and time, run or manifest")
    else:
        done = make_survival(people, columns, questions, folder, overwrite=overwrite)
    return Survival.of(done)


def _masks(
    run: Path | str | Sequence[Path | str],
    manifest: Table | None,
    target: TargetLike | None,
    masks: str,
) -> Masks | None:
    """Collect the masks to measure; None if there is only a table.

    Raises:
        DataError: both a run and a data set are given, or a data set without its target.
    """
    runs = (run,) if isinstance(run, str | Path) else tuple(run)
    if runs and manifest is not None:
        raise DataError("nt.survival: found run and manifest, wanted one of them")
    if runs:
        if masks not in ("", "predicted", "reference"):
            raise DataError(f"masks: got {masks!r}, wanted predicted or reference with run")
        return Masks(tuple(map(Path, runs)), predicted=masks != "reference")
    if manifest is None:
        return None
    if target is None:
        raise DataError("nt.survival: found a manifest and no target; set target")
    folder = Path(masks) if masks else None
    return Masks(manifest=as_file(manifest), target=read_target(target), folder=folder)
