"""Tables of a folder of BIDS-Derivatives: its people, and their volumes.

`people_volumes.tsv` has a row for each label map with the volumes in mm³, joined with
`participants.tsv` and `sub-*_sessions.tsv` of the data set; BIDS' tables allow one row per person.
If each person has one label map, `participants.tsv` has the volumes too. Both are made from
volumes.tsv, which several processes share.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from neurotarget.data.derivative_names import derivative_path, entities_in
from neurotarget.data.tables.participants import add_participants, add_sessions
from neurotarget.files.writing import table_text, write_text
from neurotarget.inference.ledger import CaseResult, Form, Ledger
from neurotarget.types import Case

log = logging.getLogger(__name__)

PEOPLE, VOLUMES = "participants", "people_volumes"
IDS = ("participant_id", "session_id", "case_id", "file")


def write_tables(form: Form, output: Path, source: Path) -> None:
    """Write participants.tsv and people_volumes.tsv, with sidecars that have the units.

    Problems of the tables of the data set are logged as warnings.

    Args:
        form: of volumes.tsv.
        output: folder of the predictions, whose volumes.tsv lists the cases.
        source: data set that was predicted, or a file next to its participants.tsv.
    """
    root = source if source.is_dir() else source.parent
    results = [one for _, one in sorted(Ledger(output, form).finished().items())]
    rows = _volume_rows(form, results, output, root)
    _write_table(output / f"{VOLUMES}.tsv", rows, IDS)
    people = [*dict.fromkeys(_person(one.case_id) for one in results)]
    if len(people) < len(rows):
        joined, _ = add_participants([Case(name, name, {}) for name in people], root, None)
        rows = [{IDS[0]: case.case_id, **_further(case)} for case in joined]
    _write_table(output / f"{PEOPLE}.tsv", rows, IDS)
    for name in (PEOPLE, VOLUMES):
        _write_sidecar(form, output / f"{name}.json")


def _volume_rows(
    form: Form, results: Sequence[CaseResult], output: Path, root: Path
) -> list[dict[str, object]]:
    """Ids, covariates and volumes of each label map."""
    cases = [Case(one.case_id, _person(one.case_id), {}) for one in results]
    cases, problems = add_participants(cases, root, None)
    cases, further = add_sessions(cases, root, None)
    for problem in [*problems, *further]:
        log.warning("%s", problem)
    rows = []
    for case, result in zip(cases, results, strict=True):
        entities = entities_in(case.case_id)
        path = derivative_path(output, case.case_id, "dseg.nii.gz").relative_to(output)
        visit = {"session_id": f"ses-{entities['ses']}"} if "ses" in entities else {}
        ids = {"participant_id": _person(case.case_id), **visit}
        ids |= {"case_id": case.case_id, "file": path.as_posix()}
        volumes = {form.column_of[name]: value for name, value in result.values.items()}
        rows.append(ids | _further(case) | volumes)
    return rows


def _person(case_id: str) -> str:
    return f"sub-{entities_in(case_id)['sub']}"


def _further(case: Case) -> dict[str, object]:
    return {name: value for name, value in case.covariates.items() if name not in IDS}


def _write_table(path: Path, rows: Sequence[dict[str, object]], first: Sequence[str]) -> None:
    columns = dict.fromkeys(name for row in rows for name in row)
    ids = [name for name in first if name in columns or name == first[0]]
    columns = [*ids, *(name for name in columns if name not in ids)]
    write_text(path, table_text(pd.DataFrame(rows, columns=columns)))


def _write_sidecar(form: Form, path: Path) -> None:
    columns = {
        column: {"Description": f"Volume of {name}", "Units": "mm^3"}
        for name, column in form.column_of.items()
    }
    described = {
        "case_id": {"Description": "Name of the case in volumes.tsv"},
        "file": {"Description": "Label map, relative to the data set"},
    }
    write_text(path, json.dumps(described | columns, indent=2, ensure_ascii=False) + "\n")
