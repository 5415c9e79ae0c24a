"""Studies of masks, volumes and runs from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from neurotarget.api.data import Table, TargetLike, as_file, as_paths, read_target
from neurotarget.api.notebook_html import html_page, html_table
from neurotarget.api.predict import RunFolder
from neurotarget.problems import DataError
from neurotarget.report.text.sentences import headlines
from neurotarget.studies.make_study import Questions, Source, levels_of, make_study, own_target
from neurotarget.studies.measured_volumes import from_table
from neurotarget.studies.study_inputs import Material, from_masks, from_run
from neurotarget.types import Target


@dataclass(frozen=True)
class Study:
    """Results of a cohort for its hypotheses, as sentences, tables, figures and a page."""

    headlines: tuple[str, ...]
    tables: Mapping[str, pd.DataFrame]
    figures: Mapping[str, Path]  # PNG by name
    report: Path
    notes: tuple[str, ...]

    @property
    def effects(self) -> pd.DataFrame:
        """Table with one row per effect and method: estimate, interval, verdict."""
        return self.tables.get("effects", pd.DataFrame())

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{escape(line)}</li>" for line in self.headlines)
        return html_page("Study", self.report, f"<ul>{lines}</ul>", html_table(self.effects))


def study(
    *,
    rows: RunFolder | Path | str | None = None,
    masks: Path | str | None = None,
    table: Table | Sequence[Table] | None = None,
    manifest: Table | None = None,
    target: TargetLike | None = None,
    covariates: Table | None = None,
    second: Path | str | None = None,
    predictions: Path | str | None = None,
    boxes: Path | str | None = None,
    labels: Sequence[str] = (),
    ask: str | Sequence[str] = (),
    matters: str | None = None,
    acceptable: str | Mapping[str, float] = "",
    levels: str | Mapping[str, Mapping[str, str]] = "",
    id_column: str | None = None,
    method_column: str | None = None,
    methods: Sequence[str] = (),
    unit: str = "mm3",
    reference: str | None = None,
    exclude: Path | str | None = None,
    output: Path | str | None = None,
    seed: int = 0,
    cases: int = 12,
    overwrite: bool = False,
) -> Study:
    """Estimate agreement, effects with verdicts and failures from a run, masks or volumes.

    ```
    nt.study(rows=run)
    nt.study(masks="masks", manifest=people, target="pituitary")
    nt.study(table=volumes, labels=["left", "right"], ask="volume ~ age + sex: negative")
    ```

    Args:
        rows: a run, its folder, or a rows.csv of `evaluate`.
        masks: folder of the masks of one rater.
        table: volumes that were measured elsewhere, with covariates: a table or several.
        manifest: cases and covariates of `masks`, or of `rows` that no run wrote.
        target: the segmented target; not needed for a run, which records it.
        covariates: table of further covariates, joined by the column case_id.
        second: folder of the masks of a second rater or a method.
        predictions: masks of the second method, for the pictures of `rows`.
        boxes: table of boxes from fastMRI+, to compare with the activation maps of `rows`.
        labels: columns of `table` that hold volumes.
        ask: hypotheses in place of the target's, such as "volume: F > M".
        matters: smallest effect of interest, such as "5 %", "20 mm3" or "0.3 d".
        acceptable: limits set before the data are seen, such as {"limits_percent": 15}.
        levels: meaning of the codes of covariates, such as {"sex": {"0": "M", "1": "F"}}.
        id_column: column of `table` that names the case.
        method_column: column of `table` that names the method.
        methods: suffixes of columns of `table` that name methods.
        unit: unit of `table`: mm3 or ml for volumes, mm2 or px for areas.
        reference: method of `table` that counts as truth.
        exclude: table of cases to leave out, such as the ratings of `qc.html`: the cases rated 3,
            or all cases of a table without the column rating.
        output: folder to write into.
        seed: seed of the resampling for confidence intervals.
        cases: number of cases that are shown as pictures.
        overwrite: whether files that neurotarget did not write may be replaced.

    Raises:
        DataError: files cannot be read or written; there is one sentence per problem.
    """
    known = None if target is None else read_target(target, data=manifest)
    people = None if manifest is None else as_file(manifest)
    columns = {"id_column": id_column, "method_column": method_column, "methods": list(methods)}

    def of_rows(target: Target | None) -> Material:
        shown = None if predictions is None else Path(predictions)
        known_target = target or own_target(folder, levels_of(levels))
        material = from_run(folder, manifest=people, target=known_target, predictions=shown)
        return material._replace(boxes=None if boxes is None else Path(boxes))

    def of_masks(target: Target | None) -> Material:
        if target is None or people is None:
            raise DataError("study(masks=…): found no manifest or target, wanted both")
        other = None if second is None else Path(second)
        return from_masks(Path(masks), other, manifest=people, target=target)

    def of_table(target: Target | None) -> Material:
        reading = {"levels": levels_of(levels), **columns, "unit": unit}
        return from_table(
            as_paths(table),
            target=target,
            labels=list(labels) or None,
            reading=reading,
            reference=reference,
        )

    readers = {"rows": (rows, of_rows), "masks": (masks, of_masks), "table": (table, of_table)}
    given = [name for name, (value, _) in readers.items() if value is not None]
    if len(given) != 1:
        given_text = " and ".join(given) or "none"
        raise DataError(f"study: found {given_text} of rows, masks and table, wanted one of them")
    folder = Path(getattr(rows, "folder", rows)) if rows is not None else Path()
    home = folder if rows is not None and folder.is_dir() else None
    questions = ask if isinstance(ask, str) else "; ".join(ask)
    done = make_study(
        Source(f"{given[0]}=…", readers[given[0]][1], home),
        target=known,
        questions=Questions(questions, matters, acceptable, levels),
        covariates=None if covariates is None else _by_case(covariates),
        exclude=exclude,
        output=output,
        seed=seed,
        cases=cases,
        overwrite=overwrite,
    )
    return Study(
        tuple(headlines(done.study)),
        dict(done.study.tables),
        {path.stem: path for path in done.figures},
        done.page,
        tuple(done.study.notes),
    )


def _by_case(table: Table) -> pd.DataFrame:
    """Read a table and set its column case_id as index.

    Raises:
        DataError: the table has no column case_id.
    """
    whole = (
        table if isinstance(table, pd.DataFrame) else pd.read_csv(table, sep=None, engine="python")
    )
    if "case_id" not in whole:
        columns = ", ".join(map(str, whole.columns))
        raise DataError(f"covariates: found the columns {columns}, wanted case_id among them")
    return whole.assign(case_id=whole["case_id"].astype(str)).set_index("case_id")
