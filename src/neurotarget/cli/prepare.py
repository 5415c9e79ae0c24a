"""`neurotarget prepare`: prepare all cases for training ahead of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from neurotarget.cli.arguments import PLACE, Positional, read_arguments
from neurotarget.cli.settings import integer
from neurotarget.cli.targets import load_target
from neurotarget.data.batches.cache import open_entry
from neurotarget.data.batches.datamodule import checkup_of
from neurotarget.data.batches.prepare import Preparation, prepare
from neurotarget.data.cases.manifest import read_manifest
from neurotarget.process.exit_codes import print_problems


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command."""

    source: Annotated[Path, Positional("a manifest or a data set"), PLACE]
    target: str
    trust: bool = False
    cache: Path | None = None
    workers: Annotated[int, integer(1, 1024)] = 2


def run(argv: Sequence[str]) -> int:
    """Prepare every case, print the problems of the data and the folder; returns 0."""
    (arguments,) = read_arguments("prepare", argv, Arguments)
    target = load_target(arguments.target, source=arguments.source, trust=arguments.trust)
    cache = arguments.cache or Path("cache") / target.name
    manifest = read_manifest(arguments.source, target)
    folders = prepare(manifest, target, Preparation(), cache, workers=arguments.workers)
    entries = [(case, open_entry(folders[case.case_id])) for case in manifest.cases]
    print_problems([item for pair in entries for item in checkup_of(*pair, target).problems])
    print(f"{len(folders)} cases are prepared in {cache}")
    return 0
