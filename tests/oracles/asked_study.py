"""Studies of tables that are computed and not written: their numbers take a fifth of the time."""

from collections.abc import Sequence
from pathlib import Path

from neurotarget.stats.study.results import Study
from neurotarget.studies.make_study import Questions, Source, levels_of, questioned
from neurotarget.studies.measured_volumes import from_table
from neurotarget.studies.study_folder import study_of
from neurotarget.types import Target


def asked(
    *tables: Path,
    labels: str,
    ask: str = "",
    levels: str = "",
    methods: Sequence[str] = (),
    reference: str | None = None,
    id_column: str | None = None,
    matters: str | None = None,
    acceptable: str = "",
) -> Study:
    """What `neurotarget study table=… labels=… ask=…` finds."""
    columns = {"id_column": id_column, "method_column": None, "methods": list(methods)}
    reading = {"levels": levels_of(levels), "unit": "mm3", **columns}

    def read(target: Target | None):
        names = labels.split(",")
        return from_table(tables, target=target, labels=names, reading=reading, reference=reference)

    questions = Questions(ask, matters, acceptable, levels)
    return study_of(questioned(Source("table", read), questions=questions))
