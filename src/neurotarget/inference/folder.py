"""Predict many cases into a folder: label maps, volumes.tsv, and nothing twice."""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from neurotarget.data.attempts import check_names, reason_of
from neurotarget.files import digest, sweep, written
from neurotarget.inference.ledger import Ledger, Outcome
from neurotarget.inference.predict import (
    Predictor,
    probability_path,
    save_labels,
    save_probabilities,
)
from neurotarget.reading import load_json
from neurotarget.types import Case, DataError

log = logging.getLogger(__name__)

SHOWN = 5  # names in a sentence

Ready = Callable[[Case], AbstractContextManager]


def predict_all(
    predictor: Predictor,
    cases: Sequence[Case],
    output: Path,
    *,
    made_by: str,
    overwrite: bool = False,
    probabilities: bool = False,
    ready: Ready = nullcontext,
) -> list[Outcome]:
    """Write `<case_id>.nii.gz` for each case and volumes.tsv over all; finished cases are kept.

    A case is finished if all its files are there and were made from the same scan, with the same
    weights and settings; else it is predicted, again if need be. `made_by` names the weights: a
    folder that holds predictions of others is refused. A case that fails is a line of volumes.tsv
    with the reason, and the others go on. Several runs may write into one folder. The files of a
    case are there while the block of `ready(case)` lasts.

    Raises:
        DataError: the folder cannot be written or belongs to other weights, or an output would
            replace an input.
    """
    _refuse_inputs(predictor, cases, output)
    ledger = Ledger(output, predictor.target.label_names)
    _claim(output, ledger, made_by, overwrite)
    if overwrite:
        ledger.forget(case.case_id for case in cases)
    settings = {"weights": made_by, **predictor.settings}
    job = _Job(predictor, output, probabilities, ready, settings)
    outcomes = _kept(job, cases, ledger)
    for case in tqdm(cases, "predict", unit="case", delay=1):
        if case.case_id not in outcomes:
            outcome = _one(job, case)
            ledger.record(outcome)
            outcomes[case.case_id] = outcome
    return [outcomes[case.case_id] for case in cases]


class _Job(NamedTuple):
    """What is made of each case, and where."""

    predictor: Predictor
    output: Path
    probabilities: bool
    ready: Ready
    settings: dict[str, object]

    def made_from(self, case: Case) -> str:
        """Hash of the scan's content and of all that decides a prediction."""
        images = {contrast: digest(path) for contrast, path in case.images.items()}
        text = json.dumps({**self.settings, "images": images}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _kept(job: _Job, cases: Sequence[Case], ledger: Ledger) -> dict[str, Outcome]:
    """Finished cases; says which others were made from something else."""
    finished, kept, changed = ledger.finished(), {}, []
    for case in cases:
        files = _files(job.predictor, case, job.output)
        wanted = files if job.probabilities else files[:1]
        outcome = finished.get(case.case_id)
        if outcome is None or not all(path.is_file() for path in wanted):
            continue
        if outcome.made_from == _source(job, case):
            kept[case.case_id] = outcome
        else:
            changed.append(case.case_id)
    if changed:
        names = ", ".join(changed[:SHOWN]) + (", …" if len(changed) > SHOWN else "")
        log.warning(
            "%d finished cases were made from another scan or with other settings, and are "
            "predicted again: %s",
            len(changed),
            names,
        )
    return kept


def _source(job: _Job, case: Case) -> str:
    """Hash of what a case would be made from; "" where that cannot be said."""
    try:
        with job.ready(case):
            return job.made_from(case)
    except Exception:  # the same reason stops its prediction, which tells it
        return ""


def _one(job: _Job, case: Case) -> Outcome:
    """Predict a case; whatever it raises is its outcome."""
    labels, *maps = _files(job.predictor, case, job.output)
    source = ""
    try:
        check_names(case.case_id, [labels, *maps])
        with job.ready(case):
            source = job.made_from(case)
            prediction = job.predictor.predict(case)
        if job.probabilities:
            save_probabilities(prediction, job.predictor.target, job.output)
        save_labels(prediction, job.predictor.target, labels)
    except Exception as error:
        stale = [labels, *maps]
        outcome = Outcome(case.case_id, "failed", {}, reason_of(error), source)
    else:
        stale = [] if job.probabilities else maps  # of an earlier label map
        note = "; ".join(prediction.flags)
        outcome = Outcome(case.case_id, "done", prediction.volumes_mm3, note, source)
    for path in stale:
        with suppress(OSError):  # no file has a name that no file can have
            path.unlink(missing_ok=True)
    return outcome


def _files(predictor: Predictor, case: Case, output: Path) -> list[Path]:
    """Files a case can have: the label map, then one map per label."""
    names = predictor.target.label_names
    maps = [probability_path(output, case.case_id, name) for name in names]
    return [output / f"{case.case_id}.nii.gz", *maps]


def _refuse_inputs(predictor: Predictor, cases: Sequence[Case], output: Path) -> None:
    inputs = {Path(path).resolve() for case in cases for path in case.images.values()}
    ours = [path for case in cases for path in _files(predictor, case, output)]
    if taken := [path for path in ours if path.resolve() in inputs]:
        raise DataError(
            f"{taken[0]}: a prediction would replace the scan itself ({len(taken)} files of "
            f"{len(cases)} cases); say another output folder"
        )


def _claim(output: Path, ledger: Ledger, made_by: str, overwrite: bool) -> None:
    """Write down whose predictions lie here."""
    if output.exists() and not output.is_dir():
        raise DataError(f"output: found the file {output}, wanted a folder; say another output")
    path = output / "prediction.json"
    try:
        output.mkdir(parents=True, exist_ok=True)
        with ledger.lock:
            found = _weights_of(path)
            if found not in (None, made_by) and not overwrite:
                raise DataError(
                    f"{output}: found predictions of other weights ({found[:12]}), wanted an empty "
                    f"folder or those of {made_by[:12]}; say another output, or overwrite=true"
                )
            if found != made_by:  # first, or lines of others would pass for ours if we are killed
                ledger.path.unlink(missing_ok=True)
            with written(path) as draft:
                draft.write_text(json.dumps({"weights": made_by}) + "\n", encoding="utf-8")
        sweep(output, now_s=path.stat().st_mtime)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(
            f"output: {output} cannot be written ({reason}); say a folder that can"
        ) from error


def _weights_of(path: Path) -> str | None:
    try:
        return str(load_json(path)["weights"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
