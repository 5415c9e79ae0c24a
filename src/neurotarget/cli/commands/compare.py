"""`neurotarget compare …`: compare runs of several architectures or settings with statistics."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from neurotarget.cli.arguments import Positional, Seed, read_arguments
from neurotarget.comparison.arms_text import listed_files, summary_rows, verdicts
from neurotarget.comparison.write_comparison import WrittenComparison, compare_runs
from neurotarget.report.text.claims import target_noun
from neurotarget.report.text.learning_banner import arms_banner, banner_text
from neurotarget.report.text.numbers import aligned


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command.

    Attributes:
        places: a multirun folder, or folders of runs.
        output: folder of the comparison; None derives it from the runs.
        common: keep only the folds, seeds and cases that all arms have.
        ensembles: also predict with the ensemble and the soup of each arm, which takes time.
        title: title of the page; if empty, the name of the experiment.
        seed: seed of the resampling for confidence intervals.
        trust: permit network classes of the user's own.
    """

    places: Annotated[tuple[Path, ...], Positional("a multirun folder or runs")]
    output: Path | None = None
    overwrite: bool = False
    common: bool = False
    ensembles: bool = True
    title: str = ""
    seed: Seed = 0
    wandb: str = "auto"
    device: str = "auto"
    trust: bool = False


def run(argv: Sequence[str]) -> int:
    """Compare runs, write the comparison and print its result; returns exit status 0.

    Raises:
        DataError: an argument is invalid, or the runs cannot be compared.
    """
    (arguments,) = read_arguments("compare", argv, Arguments)
    print_comparison(
        compare_runs(**asdict(arguments), command=shlex.join(["neurotarget", "compare", *argv]))
    )
    return 0


def print_comparison(done: WrittenComparison) -> None:
    """Print the table of arms, the conclusion, the notes and the paths of the files.

    Warnings about networks that learned nothing come first. A target with hypotheses also gets one
    verdict per arm over its seeds.
    """
    loud = banner_text(arms_banner(done.comparison))
    first = f"\n{loud}\n" if loud else ""
    table = aligned(summary_rows(done.comparison), right=True)
    print(f"{first}\n{table}\n\n{done.comparison.sentence}")
    if by_arm := verdicts(done.comparison):
        print(f"\nhypotheses on the {target_noun(done.comparison.target)}, over seeds")
        wide = max(map(len, by_arm))
        print("\n".join(f"  {arm:{wide}}  {verdict}" for arm, verdict in by_arm.items()))
    for note in done.comparison.notes:
        print(f"  note: {note}")
    files = {"report": done.page, "table": done.table, "README": done.readme}
    print(f"\n{listed_files(files)}")
