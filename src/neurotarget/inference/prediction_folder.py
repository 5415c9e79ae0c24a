"""The output folder of predictions: which weights made them, and which files are ours."""

import json
from collections.abc import Mapping, Sequence
from glob import escape
from pathlib import Path

from neurotarget.files.ownership import refuse_foreign, refuse_twins
from neurotarget.files.reading import read_plain, read_text, real_path
from neurotarget.files.writing import write_text
from neurotarget.inference.ledger import Ledger
from neurotarget.problems import DataError
from neurotarget.types import Case

MADE_BY = "prediction.json"  # records the weights of the predictions in a folder


def refuse_inputs(files: Mapping[str, Sequence[Path]], cases: Sequence[Case]) -> None:
    """Refuse an output folder in which a prediction would replace an input scan.

    Args:
        files: those that each case can have, by case_id.
        cases: with their scans; links are followed.

    Raises:
        DataError: a prediction would replace a scan.
    """
    inputs = {real_path(path) for case in cases for path in case.images.values()}
    ours = [path for paths in files.values() for path in paths]
    if taken := [path for path in ours if real_path(path) in inputs]:
        raise DataError(
            f"{taken[0]}: a prediction would replace the scan itself ({len(taken)} files of "
            f"{len(cases)} cases); choose another output folder"
        )


def refuse_files(
    case_ids: Sequence[str], files: Mapping[str, Sequence[Path]], ledger: Ledger
) -> None:
    """Refuse to replace a file of another case, or one that neurotarget did not write.

    Args:
        case_ids: cases to predict.
        files: those of all cases of the folder, by case_id.
        ledger: table of the folder, which must be ours as well.

    Raises:
        DataError: two cases would share a file; or a file of one of `case_ids` exists, and
            neurotarget did not write it.
    """
    refuse_twins({name: [*paths] for name, paths in files.items()})
    refuse_foreign([ledger.path, *(path for name in case_ids for path in files[name])])


def is_made_by(output: Path, made_by: str, *, overwrite: bool) -> bool:
    """Return whether the predictions in a folder are of these weights; False without any.

    Args:
        output: folder of predictions.
        made_by: hash of the weights.
        overwrite: whether other weights are accepted.

    Raises:
        DataError: they are of other weights, and `overwrite` is not set.
    """
    recorded = _weights_of(output / MADE_BY)
    if recorded not in (None, made_by) and not overwrite:
        raise DataError(
            f"{output}: found predictions of other weights ({recorded[:12]}), wanted an empty "
            f"folder or those of {made_by[:12]}; choose another output, or overwrite=true"
        )
    return recorded == made_by


def begin(output: Path, ledger: Ledger, made_by: str, *, overwrite: bool) -> None:
    """Record the weights of the predictions in a folder before the first is written.

    With other weights, which `overwrite` allows, the table is removed: all cases are predicted
    again.

    Raises:
        DataError: the folder cannot be written, or another process uses it with other weights.
    """
    path = output / MADE_BY
    try:
        with ledger.lock:  # another process may have started in the meantime
            if not is_made_by(output, made_by, overwrite=overwrite):
                # before the record: if killed in between, no lines of other weights pass as ours
                ledger.path.unlink(missing_ok=True)
            write_text(path, json.dumps({"weights": made_by}) + "\n")
    except OSError as error:
        reason = error.strerror or error
        raise DataError(
            f"output: {output} cannot be written ({reason}); choose another folder"
        ) from error


def older_predictions(folder: Path) -> list[Path] | None:
    """Return the predictions in a folder by a version that kept no record; None without any.

    Its table lists our cases; a map that is newer than the table has been corrected by hand.
    """
    table = folder / "volumes.tsv"
    if _weights_of(folder / MADE_BY) is None:
        return None
    ours = [folder / MADE_BY]
    try:
        lines = read_text(table).splitlines()[1:]
        written_ns = table.stat().st_mtime_ns
    except (OSError, UnicodeDecodeError):
        return ours
    for case_id in (line.partition("\t")[0] for line in lines):
        maps = folder.glob(f"{escape(case_id)}_*_probability.nii.gz")
        files = [one for one in (folder / f"{case_id}.nii.gz", *maps) if one.is_file()]
        ours += [one for one in files if one.stat().st_mtime_ns <= written_ns]
    return [*ours, table]


def _weights_of(path: Path) -> str | None:
    weights = read_plain(path).get("weights")
    return None if weights is None else str(weights)
