"""Predict many cases into a folder: label maps, volumes.tsv, and nothing twice."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from glob import escape
from pathlib import Path

from tqdm import tqdm

from neurotarget.files import digest, remove, sweep, write_text
from neurotarget.inference.ledger import Ledger, Outcome
from neurotarget.inference.predict import (
    Predictor,
    probability_path,
    save_labels,
    save_probabilities,
)
from neurotarget.ownership import claim, refuse_foreign, refuse_twins
from neurotarget.types import Case, DataError

log = logging.getLogger(__name__)

SHOWN = 5  # names in a sentence
MADE_BY = "prediction.json"  # whose weights the predictions of a folder are


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
        DataError: the folder cannot be written or belongs to other weights or to somebody else,
            an output would replace an input or a file that we did not write, or two cases would
            write one file.
    """
    _refuse_inputs(predictor, cases, output)
    ledger = Ledger(output, predictor.target.label_names)
    claim(output, older=older_predictions, overwrite=overwrite)
    is_same = _is_made_by(output, made_by, overwrite)
    settings = {"weights": made_by, **predictor.settings}
    kept = _kept(predictor, cases, ledger, settings, probabilities) if is_same else {}
    outcomes = {} if overwrite else kept
    anew = [case for case in cases if case.case_id not in outcomes]
    labels = {name: output / f"{name}.nii.gz" for name in ledger.case_ids()}
    labels |= {case.case_id: output / f"{case.case_id}.nii.gz" for case in cases}
    _refuse_files(predictor, anew, labels, ledger, probabilities)
    _begin(output, ledger, made_by, overwrite)
    if overwrite:
        ledger.forget(case.case_id for case in cases)
    for case in tqdm(cases, "predict", unit="case", delay=1):
        if case.case_id not in outcomes:
            source = _made_from(case, settings)
            outcome = _one(predictor, case, output, probabilities)._replace(made_from=source)
            for path in _stale(predictor, case, outcome, labels, probabilities):
                remove(path)
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
    try:
        prediction = predictor.predict(case)
        if probabilities:
            save_probabilities(prediction, predictor.target, output)
        save_labels(prediction, predictor.target, _files(predictor, case, output)[0])
    except (DataError, MemoryError, RuntimeError) as error:  # torch's lack of memory is the last
        return Outcome(case.case_id, "failed", {}, _reason(error), "")
    note = "; ".join(prediction.flags)
    return Outcome(case.case_id, "done", prediction.volumes_mm3, note, "")


def _stale(
    predictor: Predictor,
    case: Case,
    outcome: Outcome,
    labels: Mapping[str, Path],
    probabilities: bool,
) -> list[Path]:
    """Files of an earlier sitting that go: all of a case that failed, maps of old labels."""
    label, *maps = _files(predictor, case, labels[case.case_id].parent)
    if outcome.status == "failed":
        return [label, *_unless(maps, labels)]
    return [] if probabilities else _unless(maps, labels)


def _unless(maps: Sequence[Path], labels: Mapping[str, Path]) -> list[Path]:
    """Probability maps but those whose name is that of another case's label map."""
    return [path for path in maps if path not in labels.values()]


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


def _refuse_files(
    predictor: Predictor,
    cases: Sequence[Case],
    labels: Mapping[str, Path],
    ledger: Ledger,
    probabilities: bool,
) -> None:
    """Refuse to write what would replace a file of another case or of somebody else."""
    files = {case_id: [path] for case_id, path in labels.items()}
    for case in cases if probabilities else ():
        files[case.case_id] = _files(predictor, case, ledger.path.parent)
    refuse_twins(files)
    asked = [path for case in cases for path in files[case.case_id]]
    refuse_foreign([ledger.path, *asked])


def _is_made_by(output: Path, made_by: str, overwrite: bool) -> bool:
    """Whether the predictions in a folder are of these weights.

    Raises:
        DataError: they are of others, and `overwrite` does not ask to replace them.
    """
    found = _weights_of(output / MADE_BY)
    if found not in (None, made_by) and not overwrite:
        raise DataError(
            f"{output}: found predictions of other weights ({found[:12]}), wanted an empty folder "
            f"or those of {made_by[:12]}; say another output, or overwrite=true"
        )
    return found == made_by


def _begin(output: Path, ledger: Ledger, made_by: str, overwrite: bool) -> None:
    """Write down whose predictions lie here."""
    path = output / MADE_BY
    with ledger.lock:  # another process may have begun meanwhile
        if not _is_made_by(output, made_by, overwrite):
            # first, or lines of others would pass for ours if we are killed
            ledger.path.unlink(missing_ok=True)
        write_text(path, json.dumps({"weights": made_by}) + "\n")
    sweep(output, now_s=path.stat().st_mtime)


def older_predictions(folder: Path) -> list[Path] | None:
    """Files of a folder that was predicted into before there was a record of them.

    Its table says which cases are ours; a map that is younger than it was corrected since.
    """
    table = folder / "volumes.tsv"
    if _weights_of(folder / MADE_BY) is None:
        return None
    ours = [folder / MADE_BY]
    try:
        lines = table.read_text(encoding="utf-8").splitlines()[1:]
        written_ns = table.stat().st_mtime_ns
    except (OSError, UnicodeDecodeError):
        return ours
    for case_id in (line.partition("\t")[0] for line in lines):
        maps = folder.glob(f"{escape(case_id)}_*_probability.nii.gz")
        ours += [one for one in (folder / f"{case_id}.nii.gz", *maps) if _is_older(one, written_ns)]
    return [*ours, table]


def _is_older(path: Path, time_ns: int) -> bool:
    return path.is_file() and path.stat().st_mtime_ns <= time_ns


def _weights_of(path: Path) -> str | None:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["weights"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
