"""`neurotarget compare …`: which of several architectures or settings is best, and how surely."""

import hashlib
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import wandb

from neurotarget.cli.build import build, build_foreign
from neurotarget.cli.flags import flag
from neurotarget.cli.settings import read_whole
from neurotarget.comparison.arms_text import (
    aligned,
    listed_files,
    markdown,
    named_after,
    summary_rows,
    verdicts,
)
from neurotarget.comparison.ensemble_arms import with_ensembles
from neurotarget.comparison.gather_runs import read_arms
from neurotarget.comparison.read_run import Run
from neurotarget.files.memory_limits import within_memory
from neurotarget.files.ownership import claim, claimed, refuse_foreign
from neurotarget.files.reading import real_path
from neurotarget.files.writing import at_home, remove, write_text
from neurotarget.printable import one_line
from neurotarget.problems import DataError
from neurotarget.report.comparison.comparison_figures import all_figures
from neurotarget.report.comparison.comparison_page import write_compare_page
from neurotarget.report.drawing.figure import save_figure, svg_text
from neurotarget.report.pages.plain_page import PageFigure
from neurotarget.report.words.claims import all_asked
from neurotarget.report.words.learning_banner import arms_banner, banner_text
from neurotarget.runs.folder.older_output import older_output
from neurotarget.runs.tracking.trackers import finish, loggers, on_wandb, wandb_mode
from neurotarget.stats.arms.comparison import Comparison, compare
from neurotarget.study.study_folder import write_tsv

HELP = """neurotarget compare: which architecture or setting is best, at what cost, and how surely

  neurotarget compare <multirun folder>
      every finished run of python train.py -m … model=a,b data.fold=0,1,2 seed=1,2
  neurotarget compare <run folder> <run folder> …
      runs that were trained one by one; or the folder that holds them

  common=true         compare only the folds, seeds and cases that all arms have
  ensembles=false     leave out ensembles and soups, which take time to predict
  output=<folder>     where compare.html, compare.tsv, compare.md and compare/ go; by default
                      <multirun>/compare, or a folder in runs that is named after the arms
  overwrite=true      replace files of the same names there that neurotarget did not write
  title=<text>        of the page          seed=0  of the intervals
  wandb=auto          online with an API key, else offline; or: online, offline, disabled
  device=auto         where ensembles predict      trust=true  for networks of your own classes
"""
WORDS = ("output", "overwrite", "common", "ensembles", "title", "seed", "wandb", "device", "trust")
FIGURES = ("ranks", "dice", "differences", "costs", "icc", "effects")  # names begin with these

Words = Mapping[str, str]


class Written(NamedTuple):
    """A comparison and the files that hold it."""

    comparison: Comparison
    page: Path
    table: Path
    readme: Path
    figures: Sequence[Path]  # PNG; an SVG of the same name lies beside each


def run(places: Sequence[str | Path], words: Words) -> int:
    """Compare runs, write what was found and say it; 0.

    Raises:
        DataError: a word is not understood, or the runs cannot be compared.
    """
    common, ensembles = (
        flag(words, "common"),
        flag(words, "ensembles", default=True),
    )
    overwrite = flag(words, "overwrite")
    trust, seed = flag(words, "trust"), _whole(words, "seed")
    mode = wandb_mode(words.get("wandb", "auto"))
    if not places:
        raise DataError("compare: found no runs, wanted a multirun folder or run folders")
    folders = [at_home(place) for place in places]
    found = read_arms(folders, common=common)
    output = _output(words, folders, found.arms.names)
    claim(output, older=older_output, overwrite=overwrite)
    if ensembles:
        make = build if trust else build_foreign
        device = words.get("device", "auto")
        found = with_ensembles(found, output / "ensembles", device=device, make=make)
    said = [*map(str, places), *(f"{key}={value}" for key, value in words.items())]
    facts = {**found.facts, "command": f"neurotarget compare {shlex.join(said)}"}
    title = words.get("title") or _title(found.facts)
    with within_memory(f"tables of {len(found.runs)} runs in {output}", "compare fewer of them"):
        comparison = compare(found.arms, seed=seed, notes=found.notes, facts=facts)
        done = write_comparison(comparison, output, title=title)
    tell(done)
    track(done, next(iter(found.runs.values())), mode=mode, title=title, trust=trust)
    return 0


def write_comparison(comparison: Comparison, folder: Path, *, title: str) -> Written:
    """Write tables, figures, Markdown and page; an earlier comparison in the folder goes.

    The page is written last, so that none stands beside tables that are not its own.
    """
    page, table, readme = (folder / f"compare.{ending}" for ending in ("html", "tsv", "md"))
    tables, drawn = folder / "compare", folder / "compare" / "figures"
    claimed(folder, older=older_output)
    written = [tables / f"{name}.tsv" for name in comparison.tables]
    refuse_foreign([page, table, readme, *written])
    old = [path for name in FIGURES for path in drawn.glob(f"{name}*.[sp][vn]g")]
    for path in (page, table, readme, tables / "parts.tsv", *old):  # not all have parts
        remove(path)
    for name, values in comparison.tables.items():
        write_tsv(values, tables / f"{name}.tsv")
    write_tsv(comparison.tables["arms"], table)
    shown, pictures = [], []
    for name, heading, caption, figure in all_figures(comparison):
        svg = None
        if figure is not None:
            svg = svg_text(figure)
            save_figure(figure, drawn / name)
            pictures.append(drawn / f"{name}.png")
        shown.append(PageFigure(name, heading, caption, svg))
    write_text(readme, markdown(comparison, title))
    write_compare_page(page, comparison, shown, title=title)
    return Written(comparison, page, table, readme, pictures)


def track(done: Written, first: Run, *, mode: str, title: str, trust: bool = False) -> None:
    """Put tables and figures into one W&B run of the type `comparison`.

    It goes to the entity that the first run names, a team for example, only with `trust`: the run
    may be a stranger's.
    """
    if mode == "disabled":
        return
    tracker: dict[str, Any] = dict(first.config.get("logger") or {})
    if tracker.get("entity") and not trust:
        print(
            f"W&B: {first.folder} names the entity {one_line(str(tracker.pop('entity')))}, which "
            "trust=true lets this comparison go to; it goes to your own"
        )
    settings = {
        "wandb": mode,
        "project": tracker.get("project") or "neurotarget",
        "entity": tracker.get("entity"),
        "group": tracker.get("group"),
        "tags": tracker.get("tags") or [],
    }
    folder, facts = done.page.parent, dict(done.comparison.facts)
    run_id, config = os.urandom(4).hex(), {"facts": facts}
    made = loggers(
        folder, settings, run_id=run_id, name=title, config=config, job_type="comparison"
    )
    failed = True
    try:
        on_wandb(made, lambda run: run.log(_logged(done)))
        on_wandb(made, lambda run: run.summary.update(_summary(done.comparison)))
        failed = False
    finally:
        finish(made, failed=failed)


def tell(done: Written) -> None:
    """Print the arms in short, the sentence, the notes, and where the files lie."""
    loud = banner_text(arms_banner(done.comparison))
    first = f"\n{loud}\n" if loud else ""
    print(f"{first}\n{aligned(summary_rows(done.comparison))}\n\n{done.comparison.sentence}")
    if found := verdicts(done.comparison):
        print(f"\nhypotheses on the {all_asked(done.comparison.target)}, over seeds")
        wide = max(map(len, found))
        print("\n".join(f"  {arm:{wide}}  {told}" for arm, told in found.items()))
    for note in done.comparison.notes:
        print(f"  note: {note}")
    files = {"report": done.page, "table": done.table, "README": done.readme}
    print(f"\n{listed_files(files)}")


def _logged(done: Written) -> dict[str, Any]:
    """Tables and figures as W&B takes them; text stays text where some of a column is absent."""
    logged: dict[str, Any] = {}
    for name, table in done.comparison.tables.items():
        words = {column: object for column in table if table[column].dtype.kind not in "ifb"}
        plain = table.astype(words).astype(object)
        if len(plain):
            plain = plain.where(plain.notna(), None)
            logged[f"compare/{name}"] = wandb.Table(dataframe=plain, allow_mixed_types=True)
    for path in done.figures:
        logged[f"compare/figures/{path.stem}"] = wandb.Image(str(path), caption=path.stem)
    return logged


def _summary(comparison: Comparison) -> dict[str, float | str]:
    arms = comparison.tables["arms"].set_index("arm")
    found: dict[str, float | str] = {
        f"compare/dice/{arm}": float(dice) for arm, dice in arms["dice"].items() if pd.notna(dice)
    }
    return found | {f"compare/learnt/{arm}": word for arm, word in arms["learnt"].items()}


def _output(words: Words, places: Sequence[Path], arms: Sequence[str]) -> Path:
    """Folder to write into: beside the runs of one multirun, else one named after the arms."""
    if "output" in words:
        folder = at_home(words["output"])
    elif len(places) == 1 and not (places[0] / "config.yaml").is_file():
        folder = places[0] / "compare"
    else:
        named = "\n".join(sorted(str(real_path(place)) for place in places))
        mark = hashlib.sha256(named.encode()).hexdigest()[:6]
        folder = Path("runs") / f"compare_{named_after(arms)}_{mark}"
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        what = "may not be written" if there.is_dir() else "is a file"
        raise DataError(f"output: {there} {what}, wanted a folder to write into; say another")
    return folder


def _title(facts: Mapping[str, str]) -> str:
    return facts.get("experiment", "").replace("_", " ") or "arms"


def _whole(words: Words, key: str) -> int:
    return read_whole(key, words.get(key, "0"), 0, 2**32 - 1)
