"""`neurotarget evaluate`: score saved predictions, and print a summary of the scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from neurotarget.cli.arguments import PLACE, Positional, read_arguments
from neurotarget.cli.configs.targets import load_target
from neurotarget.data.cases.manifest import read_manifest
from neurotarget.files.memory_limits import within_memory
from neurotarget.files.ownership import claim_file
from neurotarget.report.pages.summary import summarise, summary_text
from neurotarget.scoring import read_rows, write_rows
from neurotarget.stats.cohort.measured import from_rows
from neurotarget.stats.study.analysis import analyse
from neurotarget.studies.score_predictions import score_predictions
from neurotarget.studies.study_inputs import covariate_table


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command.

    Attributes:
        source: manifest or data set with the reference label maps.
        target: name in `conf/target`, or path of a target file.
        trust: permit the user's own classes in the target file.
        predictions: folder of the predicted label maps, one per case.
        rows: file for the scores, one row per case, label and metric.
    """

    source: Annotated[Path, Positional("a manifest or a data set"), PLACE]
    target: str
    trust: bool = False
    predictions: Path
    rows: Path = Path("rows.csv")
    overwrite: bool = False


def run(argv: Sequence[str]) -> int:
    """Write the scores of all predictions, and print their summary; returns 0.

    A case without a prediction is scored as failed and stays in the means. A case without a split
    counts as `test`.

    Raises:
        DataError: an argument is invalid, the data have errors, or `rows=` names a file that
            neurotarget did not write.
    """
    (arguments,) = read_arguments("evaluate", argv, Arguments)
    target = load_target(arguments.target, source=arguments.source, trust=arguments.trust)
    claim_file(arguments.rows, key="rows", overwrite=arguments.overwrite)
    manifest = read_manifest(arguments.source, target, need_images=False)
    splits = {case.case_id: case.split or "test" for case in manifest.cases}
    which = set(splits.values())
    scored = score_predictions(manifest, arguments.predictions, target, splits, which=which)
    write_rows(scored, arguments.rows)
    todo = "the scores are written; close other programs, then run `neurotarget study rows=<file>`"
    with within_memory(str(arguments.rows), todo):
        measured = from_rows(read_rows(arguments.rows), target, covariate_table(manifest.cases))
        print(summary_text(summarise(analyse(measured))))
    print(f"\nrows  {arguments.rows}")
    return 0
