"""Record of the data that a run was trained on; a resumed run must have the same data."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from neurotarget.data.batches.cache import open_entry
from neurotarget.data.batches.datamodule import TargetData
from neurotarget.data.scans.film_views import View, usual_view
from neurotarget.files.hashes import hash_of_text
from neurotarget.files.reading import read_plain
from neurotarget.files.writing import write_text
from neurotarget.printable import cell
from neurotarget.problems import DataError, some
from neurotarget.runs.folder.jobs import ACCEPT
from neurotarget.runs.folder.run_folder import write_json
from neurotarget.runs.network.usual_film import FILE as USUAL

FILE = "data.json"


def fingerprint(data: TargetData) -> str:
    """Hash the prepared cases (contents and settings) and the splits; 16 digits.

    The hash does not depend on the order of cases, so two runs of the same data share it.
    """
    parts = [
        f"{case_id} {data.folders[case_id].name} {split}" for case_id, split in data.splits.items()
    ]
    return hash_of_text("\n".join(sorted(parts)), 16)


def write_splits(data: TargetData, folder: Path, *, resumed: bool = False) -> None:
    """Write the split and subject of each case as splits.tsv.

    Raises:
        DataError: the splits of a resumed run have changed, so that it may have trained on
            held-out cases.
    """
    lines = ["case_id\tsubject_id\tsplit"]
    lines += [
        f"{cell(case.case_id)}\t{cell(case.subject_id)}\t{data.splits[case.case_id]}"
        for case in data.manifest.cases
    ]
    path, text = folder / "splits.tsv", "\n".join(lines) + "\n"
    recorded = path.read_bytes() if resumed and path.is_file() else text.encode()
    if recorded != text.encode():
        raise DataError(
            f"{path}: found other splits than the data set and settings give now, wanted the same, "
            "since this run has trained on them; restore the data set, or, for a run of an older "
            "version, in which seed also drew the splits, set data.split_seed=<its seed>"
        )
    write_text(path, text)


def write_usual(data: TargetData, folder: Path) -> None:
    """Write the usual look of training films; nothing for few films or a target without films.

    Predictions compare new films with this record (`film_views.oddities`). Cases must be prepared.
    """
    if not data.target.is_flat:
        return
    entries = (open_entry(data.folders[case.case_id]) for case in data.cases("train"))
    usual = usual_view([View.from_plain(entry.facts.get("view")) for entry in entries])
    if usual is not None:
        write_json(folder / USUAL, usual.as_plain())


def keep_contents(
    folder: Path, contents: Mapping[str, str], *, resumed: bool, accepted: bool
) -> None:
    """Write the hash of each case's scans and mask as data.json; a resumed run compares them first.

    Added or removed cases change the splits, which `write_splits` compares.

    Args:
        folder: folder of the run.
        contents: hash by case_id, from `content_hashes`.
        resumed: whether the run has a record to compare with.
        accepted: whether changed files are accepted, and only printed.

    Raises:
        DataError: files of a resumed run have changed and `accepted` is false.
    """
    if resumed:
        check_contents(folder, contents, accepted=accepted)
    write_json(folder / FILE, {"cases": dict(contents)})


def check_contents(folder: Path, contents: Mapping[str, str], *, accepted: bool) -> None:
    """Compare the hashes of the cases with those in data.json of a run.

    Cases that the record lacks count as unchanged, so a run without a record always passes.

    Raises:
        DataError: files have changed and `accepted` is false.
    """
    before = read_plain(folder / FILE).get("cases")
    before = before if isinstance(before, dict) else {}
    changed = [name for name in contents if before.get(name, contents[name]) != contents[name]]
    if changed and not accepted:
        raise DataError(_refusal(folder, changed))
    if changed:
        print(f"  data      {len(changed)} cases have changed: {some(changed)}", flush=True)


def _refusal(folder: Path, changed: Sequence[str]) -> str:
    return (
        f"{folder}: found scans or masks of {len(changed)} cases changed since this run began "
        f"({some(changed)}), wanted the data of its training and evaluation; restore the "
        f"files, start a new run, or set {ACCEPT}=true to continue with the new ones"
    )
