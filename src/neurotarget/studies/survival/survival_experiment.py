"""The experiment survival: people of a data set, runs or a table → a run folder with a report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurotarget.files.ownership import claimed
from neurotarget.problems import DataError
from neurotarget.runs.folder.run_folder import write_json
from neurotarget.runs.network.objects import build
from neurotarget.runs.tracking.tracked_job import tracked_job
from neurotarget.stats.survival.survival_study import Settings
from neurotarget.studies.from_tables.tracked_tables import (
    finite_values,
    log_study,
    print_run,
)
from neurotarget.studies.survival.make_survival import (
    Columns,
    Questions,
    WrittenSurvival,
    make_survival,
)
from neurotarget.studies.survival.mask_survival import Masks, make_mask_survival

KEPT = ("name", "job", "seed", "target", "survival", "logger", "paths")  # of the configuration
OF_RUNS = ("predicted", "reference")

Config = dict[str, Any]


def analyse(config: Config, folder: Path, overrides: Sequence[str]) -> dict[str, float]:
    """Make one survival study in a run folder, from masks of a data set or runs, or from a table.

    Args:
        config: resolved configuration of plain values, as `conf/train.yaml` composes it.
        folder: run folder to write.
        overrides: those of the command line, for the record of the run.

    Returns:
        Held-out C of each set of terms, as `c_of_sets`.

    Raises:
        DataError: a setting is invalid, or the people cannot be read.
    """
    data = config["data"]
    settings = config.get("survival")
    if not settings:
        raise DataError("survival: nothing is chosen; set experiment=survival")
    own = {key: config[key] for key in KEPT} | {"data": {"root": data["root"]}}
    claimed(folder, key="hydra.run.dir")
    with tracked_job(folder, own, overrides) as made:
        done = _study(config, settings, data, folder)
        values = c_of_sets(done)
        write_json(folder / "summary.json", _summary(done, values))
        print_run(done, folder)
        log_study(made, "survival", done, values)
    return values


def _study(
    config: Config, settings: Mapping[str, Any], data: Mapping[str, Any], folder: Path
) -> WrittenSurvival:
    """The study of measured masks, or of a table alone where there is no data set and no run."""
    columns = Columns(
        time=settings["time"] or "",
        event=settings["event"] or "",
        event_is=settings["event_is"] or "",
        unit=settings["unit"],
        case_id=settings["id"] or "",
        where=settings["where"] or "",
    )
    questions = _questions(config, settings)
    title = "Survival" if config["name"] == config["job"] else str(config["name"])
    table = Path(settings["table"]) if settings["table"] else None
    runs, masks = _paths(settings["run"]), settings["masks"]
    print(f"{config['name']}\n  results   {folder}", flush=True)
    if table is not None and data["root"] is None and not runs:
        if not columns.time:
            raise DataError("survival.time: found none, wanted the column of times in the table")
        return make_survival(table, columns, questions, folder, title=title)
    target = build(config["target"])
    if runs:
        if masks not in (None, *OF_RUNS):
            raise DataError(f"survival.masks: found {masks!r}, wanted {' or '.join(OF_RUNS)}")
        measured = Masks(runs, predicted=masks != "reference", target=target, table=table)
    else:
        manifest = build(data["source"]).obtain(data["root"])
        masks = None if masks in (None, "reference") else Path(masks)
        measured = Masks(manifest=manifest, target=target, folder=masks, table=table)
    return make_mask_survival(measured, columns, questions, folder, title=title)


def _questions(config: Config, settings: Mapping[str, Any]) -> Questions:
    return Questions(
        clinical=tuple(settings["clinical"]),
        image=tuple(settings["image"]),
        sets={name: tuple(terms) for name, terms in settings["sets"].items()},
        group=settings["group"] or "",
        external=Path(settings["external"]) if settings["external"] else None,
        external_where=settings["external_where"] or "",
        names=dict(settings["names"]),
        settings=Settings(
            settings["model"],
            tuple(settings["months"]),
            int(settings["folds"]),
            int(settings["repeats"]),
            float(settings["matters"]),
            int(config["seed"]),
        ),
    )


def _paths(value: str | Sequence[str] | None) -> tuple[Path, ...]:
    """One or several runs as paths.

    Raises:
        DataError: one does not exist.
    """
    texts = [value] if isinstance(value, str) else value or []
    if absent := [text for text in texts if not Path(text).exists()]:
        raise DataError(f"survival.run: no such run: {absent[0]}; check the path")
    return tuple(map(Path, texts))


def c_of_sets(done: WrittenSurvival) -> dict[str, float]:
    """Held-out C of each set of terms with the study's model; `c` is that of most terms.

    Keys are `c/clinical` and the like; `c` is absent if no model could be fitted.
    """
    table = done.study.tables["scores"]
    own = table[(table["statistic"] == "c") & (table["model"] == done.study.settings.model)]
    values = {f"c/{row.terms}": float(row.value) for row in own.itertuples(index=False)}
    lead = done.study.lead
    return ({"c": values[f"c/{lead.terms}"]} if lead else {}) | values


def _summary(done: WrittenSurvival, values: Mapping[str, float]) -> dict[str, Any]:
    cohort = done.study.cohort
    return {
        "people": len(cohort.days),
        "events": int(cohort.event.sum()),
        "values": finite_values(values),
        "headlines": done.headlines,
        "notes": done.notes,
    }
