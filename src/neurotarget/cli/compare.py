"""`neurotarget compare …`: compare runs of several architectures or settings with statistics."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from neurotarget.cli.flags import flag
from neurotarget.cli.settings import read_whole
from neurotarget.comparison.arms_text import listed_files, summary_rows, verdicts
from neurotarget.comparison.write_comparison import WrittenComparison, compare_runs
from neurotarget.report.text.claims import target_noun
from neurotarget.report.text.learning_banner import arms_banner, banner_text
from neurotarget.report.text.numbers import aligned

WORDS = ("output", "overwrite", "common", "ensembles", "title", "seed", "wandb", "device", "trust")
LARGEST_SEED = 2**32 - 1

Words = Mapping[str, str]


def run(places: Sequence[str | Path], words: Words) -> int:
    """Compare runs, write the comparison and print its result; returns exit status 0.

    Raises:
        DataError: an argument is invalid, or the runs cannot be compared.
    """
    shown = [*map(str, places), *(f"{key}={value}" for key, value in words.items())]
    done = compare_runs(
        places,
        output=words.get("output"),
        common=flag(words, "common"),
        ensembles=flag(words, "ensembles", default=True),
        title=words.get("title", ""),
        seed=read_whole("seed", words.get("seed", "0"), 0, LARGEST_SEED),
        device=words.get("device", "auto"),
        wandb=words.get("wandb", "auto"),
        overwrite=flag(words, "overwrite"),
        trust=flag(words, "trust"),
        command=f"neurotarget compare {shlex.join(shown)}",
    )
    tell(done)
    return 0


def tell(done: WrittenComparison) -> None:
    """Print the table of arms, the conclusion, the notes and the paths of the files."""
    loud = banner_text(arms_banner(done.comparison))
    first = f"\n{loud}\n" if loud else ""
    print(f"{first}\n{aligned(summary_rows(done.comparison))}\n\n{done.comparison.sentence}")
    if found := verdicts(done.comparison):
        print(f"\nhypotheses on the {target_noun(done.comparison.target)}, over seeds")
        wide = max(map(len, found))
        print("\n".join(f"  {arm:{wide}}  {told}" for arm, told in found.items()))
    for note in done.comparison.notes:
        print(f"  note: {note}")
    files = {"report": done.page, "table": done.table, "README": done.readme}
    print(f"\n{listed_files(files)}")
