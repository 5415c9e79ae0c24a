"""Writing of the page of quality control into a folder of predictions."""

import logging
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from neurotarget.files.ownership import is_free
from neurotarget.files.writing import write_text
from neurotarget.inference.ledger import CaseResult, Form, Ledger
from neurotarget.report.pages.qc_page import QCCase, QCColumn, QCPage, qc_html
from neurotarget.runs.qc.qc_pictures import CasePictures, picture_name
from neurotarget.runs.qc.qc_ranges import UsualSizes, usual_sizes
from neurotarget.types import Target

PAGE = "qc.html"
KEY_LETTERS = 12  # of the hash of the weights
log = logging.getLogger(__name__)


def write_qc(
    output: Path,
    form: Form,
    target: Target,
    pictures: CasePictures,
    *,
    runs: Sequence[Path],
    made_by: str,
) -> Path | None:
    """Write the page of all cases in a folder's table; None if a page changed by hand is kept.

    Args:
        output: folder of predictions.
        form: of its table.
        target: name, question, labels and outcomes.
        pictures: of the cases.
        runs: folders of the runs that made the predictions, for the sizes of their references.
        made_by: hash of the weights; a browser keeps the ratings of each separately.
    """
    path = output / PAGE
    if not is_free(path):
        log.warning("qc: %s was changed since it was written, and is kept as it is", path)
        return None
    ledger = Ledger(output, form)
    results = [*ledger.failed().values(), *ledger.finished().values()]
    usual = usual_sizes(runs, target) if form.total else UsualSizes({}, "")
    page = QCPage(
        title=target.name,
        question=target.question,
        cases=[_case(one, pictures) for one in results],
        columns=_columns(form, target, usual),
        table=form.file,
        key=f"{target.name} {made_by[:KEY_LETTERS]}",
        usual=usual.source,
        notes=_notes(pictures, results),
        facts={
            "weights (SHA-256)": made_by,
            "program": f"neurotarget {version('neurotarget')}",
            "table": form.file,
        },
    )
    write_text(path, qc_html(page))
    return path


def _case(result: CaseResult, pictures: CasePictures) -> QCCase:
    path = pictures.path(result.case_id)
    is_there = result.status == "done" and path.is_file()
    link = f"{quote(path.parent.name)}/{quote(picture_name(result.case_id))}" if is_there else ""
    return QCCase(result.case_id, result.status, result.note, result.values, link)


def _columns(form: Form, target: Target, usual: UsualSizes) -> list[QCColumn]:
    """The numbers of a table: sizes with their usual ranges, or values of outcomes."""
    units = {label: one.unit for one in target.outcomes for label in one.labels}
    unit = target.size_units.unit
    return [
        QCColumn(name, unit if form.total else units.get(name, ""), *usual.ranges.get(name, ()))
        for name in form.column_of
    ]


def _notes(pictures: CasePictures, results: Iterable[CaseResult]) -> list[str]:
    done = {one.case_id for one in results if one.status == "done"}
    lacking = [name for name in pictures.lacking if name in done]
    if not lacking:
        return []
    reason = pictures.lacking[lacking[0]]
    return [f"{len(lacking)} cases have no picture, such as {lacking[0]}: {reason}"]
