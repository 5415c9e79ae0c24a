"""What a run was trained on, kept in its folder: a run that goes on has to find the same data."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from neurotarget.cli.jobs import ACCEPT
from neurotarget.cli.run_folder import write_json
from neurotarget.data.found import some
from neurotarget.reading import read_plain
from neurotarget.types import DataError

FILE = "data.json"


def keep_contents(
    folder: Path, contents: Mapping[str, str], *, resumed: bool, accepted: bool
) -> None:
    """Write the hash of each case's scans and mask as data.json, or compare it where one lies.

    Cases that came or went change the splits, which `write_splits` compares.

    Raises:
        DataError: files of a run that goes on have changed and this is not `accepted`.
    """
    path = folder / FILE
    before = read_plain(path).get("cases") if resumed else None
    before = before if isinstance(before, dict) else {}
    changed = [name for name in contents if before.get(name, contents[name]) != contents[name]]
    if changed and not accepted:
        raise DataError(_refusal(folder, changed))
    if changed:
        print(f"  data      {len(changed)} cases have changed: {some(changed)}", flush=True)
    write_json(path, {"cases": dict(contents)})


def _refusal(folder: Path, changed: Sequence[str]) -> str:
    return (
        f"{folder}: found a scan or mask of {len(changed)} cases changed since this run began "
        f"({some(changed)}), wanted the data that it has trained on and is judged by; restore the "
        f"files, start a new run, or say {ACCEPT}=true to go on with the new ones"
    )
