"""Compare finished runs, and write the page, tables, figures and Markdown."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import wandb

from neurotarget.comparison.arms_text import markdown, named_after
from neurotarget.comparison.ensemble_arms import with_ensembles
from neurotarget.comparison.gather_runs import read_arms
from neurotarget.comparison.read_run import Run
from neurotarget.files.hashes import hash_of_text
from neurotarget.files.memory_limits import within_memory
from neurotarget.files.ownership import claim, claimed, refuse_foreign
from neurotarget.files.reading import real_path
from neurotarget.files.writing import check_writable, expand_home, remove, write_text
from neurotarget.printable import one_line
from neurotarget.problems import DataError
from neurotarget.report.comparison.comparison_figures import all_figures
from neurotarget.report.comparison.comparison_page import compare_html
from neurotarget.report.drawing.figure import saved_svg
from neurotarget.report.sections.plain_page import PageFigure
from neurotarget.runs.folder.older_output import older_output
from neurotarget.runs.network.objects import build, build_foreign
from neurotarget.runs.tracking.trackers import finish, loggers, on_wandb, wandb_mode
from neurotarget.stats.arms.comparison import Comparison, compare
from neurotarget.studies.study_folder import write_tsv

FIGURES = (
    "ranks",
    "dice",
    "brier",
    "error_abs",
    "differences",
    "costs",
    "icc",
    "effects",
)  # prefixes of names


class WrittenComparison(NamedTuple):
    """A comparison and its files; `table` is the table of arms, `readme` the Markdown file."""

    comparison: Comparison
    page: Path
    table: Path
    readme: Path
    figures: Sequence[Path]  # PNG; each has an SVG with the same stem


def compare_runs(
    places: Sequence[Path | str],
    *,
    output: Path | str | None = None,
    common: bool = False,
    ensembles: bool = True,
    title: str = "",
    seed: int = 0,
    device: str = "auto",
    wandb: str = "disabled",
    overwrite: bool = False,
    trust: bool = False,
    command: str = "",
) -> WrittenComparison:
    """Compare finished runs and write compare.html, compare.tsv, compare.md and tables.

    Args:
        places: a multirun folder, run folders, or folders that contain run folders.
        output: folder to write into; by default `compare` in the folder of one multirun, else a
            folder in `runs` that is named after the arms.
        common: whether only the folds, seeds and cases that all arms have are compared.
        ensembles: whether ensembles and soups are predicted as further arms.
        title: title of the page.
        seed: seed of the bootstrap intervals.
        device: device for the predictions of ensembles.
        wandb: `auto`, `online`, `offline` or `disabled`.
        overwrite: whether files that neurotarget did not write may be replaced.
        trust: whether the configurations of the runs may name code outside neurotarget.
        command: the command line, for the page.

    Raises:
        DataError: the runs cannot be compared; all reasons are listed.
    """
    mode = wandb_mode(wandb)
    if not places:
        raise DataError("compare: found no runs, wanted a multirun folder or run folders")
    folders = [expand_home(place) for place in places]
    gathered = read_arms(folders, common=common)
    folder = _output(output, folders, gathered.arms.names)
    claim(folder, older=older_output, overwrite=overwrite)
    if ensembles:
        make = build if trust else build_foreign
        gathered = with_ensembles(gathered, folder / "ensembles", device=device, make=make)
    facts = {**gathered.facts, **({"command": command} if command else {})}
    title = title or gathered.facts.get("experiment", "").replace("_", " ") or "arms"
    with within_memory(f"tables of {len(gathered.runs)} runs in {folder}", "compare fewer of them"):
        comparison = compare(gathered.arms, seed=seed, notes=gathered.notes, facts=facts)
        done = write_comparison(comparison, folder, title=title)
    track(done, next(iter(gathered.runs.values())), mode=mode, title=title, trust=trust)
    return done


def write_comparison(comparison: Comparison, folder: Path, *, title: str) -> WrittenComparison:
    """Write tables, figures, Markdown and page; an earlier comparison in the folder is removed.

    The page is written last, so that it always matches the tables.

    Raises:
        DataError: files that neurotarget did not write would be replaced.
    """
    page, table, readme = (folder / f"compare.{ending}" for ending in ("html", "tsv", "md"))
    tables, figures = folder / "compare", folder / "compare" / "figures"
    claimed(folder, older=older_output)
    written = [tables / f"{name}.tsv" for name in comparison.tables]
    refuse_foreign([page, table, readme, *written])
    old = [path for name in FIGURES for path in figures.glob(f"{name}*.[sp][vn]g")]
    for path in (page, table, readme, tables / "parts.tsv", *old):  # parts.tsv is optional
        remove(path)
    for name, values in comparison.tables.items():
        write_tsv(values, tables / f"{name}.tsv")
    write_tsv(comparison.tables["arms"], table)
    page_figures, pictures = [], []
    for name, heading, caption, figure in all_figures(comparison):
        svg = None
        if figure is not None:
            svg = saved_svg(figure, figures / name)
            pictures.append(figures / f"{name}.png")
        page_figures.append(PageFigure(name, heading, caption, svg))
    write_text(readme, markdown(comparison, title))
    write_text(page, compare_html(comparison, page_figures, title=title))
    return WrittenComparison(comparison, page, table, readme, pictures)


def track(
    done: WrittenComparison, first: Run, *, mode: str, title: str, trust: bool = False
) -> None:
    """Log tables and figures to one W&B run of the type `comparison`.

    The entity (such as a team) of the first run's config is used only with `trust`, since the run
    may come from another person.

    Args:
        done: comparison and its files.
        first: the run whose config names project, group and tags.
        mode: online, offline or disabled, which logs nothing.
        title: name of the W&B run.
        trust: whether the entity in that config may be used.
    """
    if mode == "disabled":
        return
    tracker: dict[str, Any] = dict(first.config.get("logger") or {})
    if tracker.get("entity") and not trust:
        print(
            f"W&B: {first.folder} names the entity {one_line(str(tracker.pop('entity')))}; the "
            "comparison is logged to your own entity instead, unless trust=true is set"
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
    run_loggers = loggers(
        folder, settings, run_id=run_id, name=title, config=config, job_type="comparison"
    )
    failed = True
    try:
        on_wandb(run_loggers, lambda run: run.log(_logged(done)))
        on_wandb(run_loggers, lambda run: run.summary.update(_summary(done.comparison)))
        failed = False
    finally:
        finish(run_loggers, failed=failed)


def _logged(done: WrittenComparison) -> dict[str, Any]:
    """Return tables and figures for W&B; text columns with missing values stay text."""
    logged: dict[str, Any] = {}
    for name, table in done.comparison.tables.items():
        text_columns = {column: object for column in table if table[column].dtype.kind not in "ifb"}
        plain = table.astype(text_columns).astype(object)
        if len(plain):
            plain = plain.where(plain.notna(), None)
            logged[f"compare/{name}"] = wandb.Table(dataframe=plain, allow_mixed_types=True)
    for path in done.figures:
        logged[f"compare/figures/{path.stem}"] = wandb.Image(str(path), caption=path.stem)
    return logged


def _summary(comparison: Comparison) -> dict[str, float | str]:
    arms, metric = comparison.tables["arms"].set_index("arm"), comparison.headline.metric
    logged: dict[str, float | str] = {
        f"compare/{metric}/{arm}": float(value)
        for arm, value in arms[metric].items()
        if pd.notna(value)
    }
    return logged | {f"compare/learnt/{arm}": verdict for arm, verdict in arms["learnt"].items()}


def _output(output: Path | str | None, places: Sequence[Path], arms: Sequence[str]) -> Path:
    """Return the output folder: inside a single multirun, else in `runs`, named after the arms."""
    if output is not None:
        folder = expand_home(output)
    elif len(places) == 1 and not (places[0] / "config.yaml").is_file():
        folder = places[0] / "compare"
    else:
        sources = "\n".join(sorted(str(real_path(place)) for place in places))
        suffix = hash_of_text(sources, 6)
        folder = Path("runs") / f"compare_{named_after(arms)}_{suffix}"
    check_writable(folder)
    return folder
