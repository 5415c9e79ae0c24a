"""Prediction of many cases into a folder: files and a table; finished cases are kept."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from neurotarget.data.attempts import check_names, reason_of
from neurotarget.data.formats.detached import scan_digest
from neurotarget.files.hashes import hash_of_value
from neurotarget.files.ownership import claim
from neurotarget.files.writing import remove
from neurotarget.inference.case_predictor import CasePredictor
from neurotarget.inference.ledger import CaseResult, Ledger
from neurotarget.inference.prediction_folder import (
    begin,
    is_made_by,
    older_predictions,
    refuse_files,
    refuse_inputs,
)
from neurotarget.problems import some
from neurotarget.types import Case

log = logging.getLogger(__name__)

SHOWN = 5  # names in a message

Ready = Callable[[Case], AbstractContextManager]
Look = Callable[[Case], None]


def look_at_none(case: Case) -> None:
    """Do nothing with a predicted case; the default of `look`."""


def predict_all(
    predictor: CasePredictor,
    cases: Sequence[Case],
    output: Path,
    *,
    made_by: str,
    overwrite: bool = False,
    probabilities: bool = False,
    ready: Ready = nullcontext,
    look: Look = look_at_none,
) -> list[CaseResult]:
    """Write the files of each case and a table over all; finished cases are kept.

    A segmentation writes `<case_id>.nii.gz` for each case and a table of sizes; a prediction of
    outcomes writes outcomes.tsv only. A case is finished if all its files exist and were made from
    the same scan with the same weights and settings; else it is predicted (again). A failed case
    has a row in the table with the reason, and the other cases are still predicted. Several
    processes may write into one folder.

    Args:
        predictor: network with everything that it needs.
        cases: their ids must be unique.
        output: folder, created if it is missing.
        made_by: identifies the weights: a folder with predictions of other weights is refused.
        overwrite: replace predictions of other weights.
        probabilities: write maps of probabilities too.
        ready: context manager that provides the scans of a case, for instance by a download; they
            need not exist before `with ready(case)` nor after it.
        look: called inside that block with the case, after the prediction's files are written.

    Returns:
        One result per case, in their order: values, or the reason of a failure in `note`.

    Raises:
        DataError: the folder cannot be written, or holds predictions of other weights or files of
            other programs; an output would replace an input or a file that neurotarget did not
            write; or two cases would write the same file.
    """
    files = {case.case_id: predictor.files(case.case_id, output) for case in cases}
    refuse_inputs(files, cases)
    ledger = Ledger(output, predictor.form)
    claim(output, older=older_predictions, overwrite=overwrite)
    settings = {"weights": made_by, **predictor.settings}
    names = [*ledger.case_ids(), *(case.case_id for case in cases)]
    always = {name: predictor.files(name, output)[: predictor.num_always] for name in names}
    job = _Job(predictor, output, probabilities, ready, look, settings, always)
    is_same = is_made_by(output, made_by, overwrite=overwrite)
    results = _kept(job, cases, ledger) if is_same and not overwrite else {}
    missing = [case.case_id for case in cases if case.case_id not in results]
    wanted = {name: files[name] for name in missing} if probabilities else {}
    refuse_files(missing, always | wanted, ledger)
    begin(output, ledger, made_by, overwrite=overwrite)
    if overwrite:
        ledger.forget(case.case_id for case in cases)
    for case in tqdm(cases, "predict", unit="case", delay=1):
        if case.case_id not in results:
            result = _one(job, case)
            ledger.record(result)
            results[case.case_id] = result
    return [results[case.case_id] for case in cases]


class _Job(NamedTuple):
    """Settings of the predictions and their folder."""

    predictor: CasePredictor
    output: Path
    probabilities: bool
    ready: Ready
    look: Look
    settings: dict[str, object]
    always: Mapping[str, list[Path]]  # files that each case in the folder must have

    def made_from(self, case: Case) -> str:
        """Hash of the scan's content and of everything that affects a prediction, 16 digits."""
        images = {contrast: scan_digest(path) for contrast, path in case.images.items()}
        return hash_of_value({**self.settings, "images": images}, 16)


def _kept(job: _Job, cases: Sequence[Case], ledger: Ledger) -> dict[str, CaseResult]:
    """Finished cases; warns of cases that were made from other scans or settings."""
    finished, kept, changed = ledger.finished(), {}, []
    for case in cases:
        files = job.predictor.files(case.case_id, job.output)
        wanted = files if job.probabilities else files[: job.predictor.num_always]
        result = finished.get(case.case_id)
        if result is None or not all(path.is_file() for path in wanted):
            continue
        if result.made_from == _source(job, case):
            kept[case.case_id] = result
        else:
            changed.append(case.case_id)
    if changed:
        log.warning(
            "%d finished cases were made from another scan or with other settings, and are "
            "predicted again: %s",
            len(changed),
            some(changed, SHOWN),
        )
    return kept


def _source(job: _Job, case: Case) -> str:
    """Hash of the inputs of a case; "" if they cannot be read."""
    try:
        with job.ready(case):
            return job.made_from(case)
    except Exception:  # its prediction fails for the same reason, and reports it
        return ""


def _one(job: _Job, case: Case) -> CaseResult:
    """Predict a case; an exception becomes its result."""
    files = job.predictor.files(case.case_id, job.output)
    source = ""
    try:
        check_names(case.case_id, files)
        with job.ready(case):
            source = job.made_from(case)
            prediction = job.predictor.predict(case, probabilities=job.probabilities)
            job.predictor.save(prediction, job.output, probabilities=job.probabilities)
            job.look(case)
    except Exception as error:
        stale = files
        result = CaseResult(case.case_id, "failed", {}, reason_of(error), source)
    else:
        stale = (
            [] if job.probabilities else files[job.predictor.num_always :]
        )  # of an earlier label map
        note = "; ".join(prediction.flags)
        result = CaseResult(case.case_id, "done", prediction.values, note, source)
    others = {path for name, paths in job.always.items() if name != case.case_id for path in paths}
    for path in stale:
        if path not in others:  # a map of `a` and the labels of `a_core_probability` may share it
            with suppress(OSError):  # the name may be impossible for a file
                remove(path)
    return result
