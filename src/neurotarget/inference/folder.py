"""Predict many cases into a folder: label maps, volumes.tsv, and nothing twice."""

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from neurotarget.files import digest, sweep, written
from neurotarget.inference.ledger import Ledger, Outcome
from neurotarget.inference.predict import (
    Predictor,
    probability_path,
    save_labels,
    save_probabilities,
)
from neurotarget.types import Case, DataError

log = logging.getLogger(__name__)

SHOWN = 5  # names in a sentence


def predict_all(
    predictor: Predictor,
    cases: Sequence[Case],
    output: Path,
    *,
    made_by: str,
    overwrite: bool = False,
    probabilities: bool = False,
) -> list[Outcome]:
    """Write `<case_id>.nii.gz` for each case and volumes.tsv over all; finished cases are kept.

    A case is finished if all its files are there and were made from the same scan, with the same
    weights and settings; else it is predicted, again if need be. `made_by` names the weights: a
    folder that holds predictions of others is refused. A case that fails is a line of volumes.tsv
    with the reason, and the others go on. Several runs may write into one folder.

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
    outcomes = _kept(predictor, cases, ledger, settings, probabilities)
    for case in tqdm(cases, "predict", unit="case", delay=1):
        if case.case_id not in outcomes:
            source = _made_from(case, settings)
            outcome = _one(predictor, case, output, probabilities)._replace(made_from=source)
            ledger.record(outcome)
            outcomes[case.case_id] = outcome
    return [outcomes[case.case_id] for case in cases]


def _kept(
    predictor: Predictor,
    cases: Sequence[Case],
    ledger: Ledger,
    settings: dict[str, object],
    probabilities: bool,
) -> dict[str, Outcome]:
    """Finished cases; says which others were made from something else."""
    finished, kept, changed = ledger.finished(), {}, []
    for case in cases:
        files = _files(predictor, case, ledger.path.parent)
        wanted = files if probabilities else files[:1]
        outcome = finished.get(case.case_id)
        if outcome is None or not all(path.is_file() for path in wanted):
            continue
        if outcome.made_from == _made_from(case, settings):
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


def _one(predictor: Predictor, case: Case, output: Path, probabilities: bool) -> Outcome:
    labels, *maps = _files(predictor, case, output)
    try:
        prediction = predictor.predict(case)
        if probabilities:
            save_probabilities(prediction, predictor.target, output)
        save_labels(prediction, predictor.target, labels)
    except (DataError, MemoryError, RuntimeError) as error:  # torch's lack of memory is the last
        stale, outcome = [labels, *maps], Outcome(case.case_id, "failed", {}, _reason(error), "")
    else:
        stale = [] if probabilities else maps  # of an earlier label map
        note = "; ".join(prediction.flags)
        outcome = Outcome(case.case_id, "done", prediction.volumes_mm3, note, "")
    for path in stale:
        path.unlink(missing_ok=True)
    return outcome


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, DataError):
        return text
    if isinstance(error, MemoryError) or "memory" in text:
        return f"out of memory ({text[:200]}); close other programs, or say device=cpu"
    return f"{type(error).__name__}: {text[:300]}"


def _files(predictor: Predictor, case: Case, output: Path) -> list[Path]:
    """Files a case can have: the label map, then one map per label."""
    names = predictor.target.label_names
    maps = [probability_path(output, case.case_id, name) for name in names]
    return [output / f"{case.case_id}.nii.gz", *maps]


def _made_from(case: Case, settings: dict[str, object]) -> str:
    """Hash of the scan's content and of all that decides a prediction."""
    images = {contrast: digest(path) for contrast, path in case.images.items()}
    text = json.dumps({**settings, "images": images}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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
        return str(json.loads(path.read_text(encoding="utf-8"))["weights"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
