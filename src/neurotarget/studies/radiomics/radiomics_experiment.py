"""The experiment radiomics: scans with masks, or a table of features → a folder with a report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from neurotarget.files.ownership import claimed
from neurotarget.image_features.feature_settings import FeatureSettings
from neurotarget.image_features.perturbation import check_perturbations
from neurotarget.problems import DataError
from neurotarget.report.radiomics.radiomics_methods import Extraction
from neurotarget.runs.folder.run_folder import write_json
from neurotarget.runs.network.objects import build
from neurotarget.runs.tracking.tracked_job import tracked_job
from neurotarget.studies.from_tables.further_columns import with_columns
from neurotarget.studies.from_tables.radiomic_choices import (
    CHOICES,
    check_together,
    radiomic_settings,
)
from neurotarget.studies.from_tables.radiomic_question import Radiomics
from neurotarget.studies.from_tables.radiomics import WrittenRadiomics, make_radiomics
from neurotarget.studies.from_tables.tracked_tables import finite_values, log_study, print_run
from neurotarget.studies.radiomics.masked_features import MaskedScans, features_of_masks
from neurotarget.studies.study_folder import write_tsv

KEPT = ("name", "job", "seed", "target", "radiomics", "logger", "paths")  # of the configuration
PEOPLE, FEATURES, SECOND = "people.tsv", "features", "second_masks"

Config = dict[str, Any]


def analyse(config: Config, folder: Path, overrides: Sequence[str]) -> dict[str, float]:
    """Make one radiomics study in a run folder, from scans with masks or from a table of features.

    Features are measured only if there is a data set; people and features are then written as
    `people.tsv`, from which the study is made.

    Args:
        config: resolved configuration of plain values, as `conf/train.yaml` composes it.
        folder: run folder to write.
        overrides: those of the command line, for the record of the run.

    Returns:
        AUC or C of people left out, as `scores_of_sets`.

    Raises:
        DataError: a setting is invalid, or scans, masks or people cannot be read.
    """
    settings, data = config.get("radiomics"), config["data"]
    if not settings:
        raise DataError("radiomics: nothing is chosen; set experiment=radiomics")
    own = {key: config[key] for key in KEPT} | {"data": {"root": data["root"]}}
    claimed(folder, key="hydra.run.dir")
    with tracked_job(folder, own, overrides) as made:
        print(f"{config['name']}\n  results   {folder}", flush=True)
        done = _study(config, settings, folder)
        values = scores_of_sets(done)
        write_json(folder / "summary.json", _summary(done, values))
        print_run(done, folder)
        log_study(made, "radiomics", done, values)
    return values


def _study(config: Config, settings: Mapping[str, Any], folder: Path) -> WrittenRadiomics:
    """The study of scans and masks, or of a table alone where there is no data set."""
    root, asked = config["data"]["root"], _asked(settings)
    given = {name: settings[name] or "" if name in ("time", "site") else settings[name]
             for name in CHOICES if name != "seed"}  # fmt: skip
    check_together(**{name: given[name] for name in ("time", "number", "model", "site", "by_site")})
    check_perturbations(settings["perturb"])
    models = radiomic_settings(**given, seed=int(config["seed"]))
    if settings["table"] and root is None:
        return make_radiomics(Path(settings["table"]), asked, models, folder)
    scans = MaskedScans(
        manifest=build(config["data"]["source"]).obtain(root),
        target=build(config["target"]),
        masks=Path(settings["masks"]) if settings["masks"] else None,
        contrasts=tuple(settings["contrasts"]),
        parts=tuple(settings["parts"]),
    )
    measure = FeatureSettings(**{key: tuple(value) if isinstance(value, list) else value
                                 for key, value in settings["measure"].items()})  # fmt: skip
    measured = partial(features_of_masks, settings=measure, workers=int(settings["workers"]))
    found = measured(scans, folder=folder / FEATURES)
    people = found.table
    if settings["table"]:
        people = with_columns(people, Path(settings["table"]), asked.case_id)
    write_tsv(people, folder / PEOPLE)
    # sessions of one person share their folds
    case_id = "case_id" if people["subject_id"].is_unique else "subject_id"
    asked = replace(asked, case_id=case_id)
    second = [path for path in asked.second if not path.is_dir()]
    again = [(SECOND, replace(scans, masks=path), "") for path in asked.second if path.is_dir()]
    again += [(f"{kind}_masks", scans, kind) for kind in settings["perturb"]]
    for name, masks, kind in again:
        table = measured(masks, folder=folder / name, perturb=kind).table
        write_tsv(table, folder / f"{name}.tsv")
        second.append(folder / f"{name}.tsv")
    asked = replace(asked, second=second)
    return make_radiomics(
        folder / PEOPLE,
        asked,
        models,
        folder,
        notes=found.notes,
        extraction=Extraction(found.contrasts, found.parts, measure),
    )


def _asked(settings: Mapping[str, Any]) -> Radiomics:
    """The question; without patterns of columns, all measured features are image terms."""
    positive = "" if settings["positive"] is None else f"={settings['positive']}"
    return Radiomics(
        outcome=f"{settings['outcome']}{positive}",
        is_number=bool(settings["number"]),
        time=settings["time"] or "",
        unit=settings["unit"],
        case_id=settings["id"] or "",
        where=settings["where"] or "",
        clinical=tuple(settings["clinical"]),
        image=tuple(settings["image"]),
        site=settings["site"] or "",
        second=(Path(settings["second"]),) if settings["second"] else (),
        stable=float(settings["stable"]),
        external=Path(settings["external"]) if settings["external"] else None,
        external_where=settings["external_where"] or "",
        names=dict(settings["names"]),
    )


def scores_of_sets(done: WrittenRadiomics) -> dict[str, float]:
    """AUC or C of people left out by set, and that of the last set without one.

    Keys are `auc/clinical` and the like, and `auc` or `c` for the last set, for searches; it is NaN
    if no model could be fitted.
    """
    study = done.study
    table = study.tables["scores"]
    own = table[table["statistic"] == study.statistic]
    values = {f"{study.statistic}/{row.terms}": float(row.value) for row in own.itertuples()}
    last = values[f"{study.statistic}/{study.scored[-1]}"] if study.scored else float("nan")
    return {study.statistic: last} | values


def _summary(done: WrittenRadiomics, values: Mapping[str, float]) -> dict[str, Any]:
    outcome = done.study.material.outcome
    return {
        "people": int(outcome.subject.max()) + 1,
        **({} if outcome.is_number else {"positive": int(outcome.y.sum())}),
        "values": finite_values(values),
        "headlines": done.headlines,
        "notes": done.notes,
    }
