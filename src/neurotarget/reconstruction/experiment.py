"""The experiments qsm and swi: scans → maps by several methods → scores and a report.

A run folder gets rows.csv (one row per scan, label, metric and method), methods.tsv (mean and SD
over scans), maps/ and pictures/ if the settings ask for them, summary.json and report.html.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import wandb
from pytorch_lightning.loggers import Logger
from tqdm import tqdm

from neurotarget.files.ownership import discard
from neurotarget.files.writing import write_text
from neurotarget.inference.segment import save_like
from neurotarget.problems import DataError
from neurotarget.reconstruction.methods import (
    Method,
    MethodResult,
    magnitude_of,
    qsm_methods,
    swi_methods,
)
from neurotarget.reconstruction.reconstruction_scans import (
    Failed,
    Scan,
    read_scans,
    simulated_scans,
)
from neurotarget.reconstruction.swi_images import grey_window
from neurotarget.report.drawing.figure import save_figure
from neurotarget.report.figures.map_pictures import axial_figure, map_scene
from neurotarget.report.figures.named_figures import NamedFigure
from neurotarget.report.pages.reconstruction_page import (
    SHORT,
    Comparison,
    cells,
    method_table,
    reconstruction_html,
    sentence,
)
from neurotarget.report.text.numbers import aligned
from neurotarget.report.text.sentences import title_of
from neurotarget.runs.folder.run_folder import write_json
from neurotarget.runs.network.objects import build
from neurotarget.runs.network.predictor import usable_device
from neurotarget.runs.tracking.final_log import log_final
from neurotarget.runs.tracking.tracked_job import tracked_job
from neurotarget.runs.tracking.trackers import on_wandb
from neurotarget.scoring import read_rows, write_rows
from neurotarget.studies.study_folder import write_tsv
from neurotarget.types import Row

KEPT = ("name", "job", "seed", "reconstruction", "logger", "paths")  # keys of the configuration
SUFFIXES = {"qsm": "Chimap", "swi": "swi"}
TRUTH = "truth"
HEADLINE = {"qsm": ("brain", "nrmse"), "swi": ("veins", "contrast_to_noise")}

Config = dict[str, Any]


def reconstruct(config: Config, folder: Path, overrides: Sequence[str]) -> dict[str, float]:
    """Run one experiment: every method on every scan, then scores, maps, pictures and a page.

    A scan on which a method fails is counted and gets no row; the other scans are still processed.

    Args:
        config: resolved configuration of plain values, as `conf/train.yaml` composes it.
        folder: run folder to write.
        overrides: overrides of the command line, for the record of the run.

    Returns:
        Mean of the main score over scans: `nrmse` of the brain in % for qsm (lower is better),
        `contrast_to_noise` of veins for swi. The key `<metric>/<method>` is the score of a method;
        `<metric>` is the score of the first method, for searches. Empty if no scan has a truth.

    Raises:
        DataError: a setting is invalid, no scan can be read, or none could be reconstructed.
    """
    source = config["data"].get("source") or {}
    config = _own(config)
    settings, kind = config["reconstruction"], str(config["job"])
    methods = _methods(kind, settings)
    scans = _scans(source, config)
    with tracked_job(folder, config, overrides) as made:
        comparison, figures = _run(scans, methods, config, folder)
        values = _headline(comparison)
        _write(comparison, figures, values, config, folder)
        _log(made, comparison, values, folder)
    return values


def _own(config: Config) -> Config:
    """The part of the configuration that this kind of job reads."""
    if not config.get("reconstruction"):
        raise DataError("reconstruction: no method is chosen; set experiment=qsm or experiment=swi")
    own = {key: config[key] for key in KEPT}
    return own | {"data": {"root": config["data"]["root"]}}


def _methods(kind: str, settings: Mapping[str, Any]) -> dict[str, Method]:
    device = usable_device(settings["device"])
    if settings["mask"] not in ("given", "auto"):
        raise DataError(f"reconstruction.mask: found {settings['mask']!r}, wanted given or auto")
    return {"qsm": qsm_methods, "swi": swi_methods}[kind](settings, device)


def _scans(source: Config, config: Config) -> Iterator[Scan | Failed]:
    settings, root = config["reconstruction"], config["data"]["root"]
    if root is not None:
        scale = str(settings["phase_scale"])
        return read_scans(Path(root), suffix=settings["suffix"], phase_scale=scale)
    if "plan" not in source:
        raise DataError(
            "data: found no plan of scans to simulate; set data=qsm_phantom or data.root="
        )
    config["data"]["plan"] = source["plan"]
    plan = build(source["plan"])
    return simulated_scans(plan, int(settings["people_per_site"]), mask=settings["mask"])


def _run(
    scans: Iterator[Scan | Failed], methods: Mapping[str, Method], config: Config, folder: Path
) -> tuple[Comparison, list[NamedFigure]]:
    """Run every method on every scan; rows are written as they are computed."""
    kind, settings = str(config["job"]), config["reconstruction"]
    print(f"{config['name']}: {', '.join(methods)}\n  results   {folder}", flush=True)
    for old in ("maps", "pictures"):
        discard(folder / old)
    rows: list[Row] = []
    figures: list[NamedFigure] = []
    failed, notes, count = {}, {}, 0
    for scan in tqdm(scans, kind, unit="scan", delay=1):
        results = _attempt(scan, methods, kind)
        if isinstance(results, str):
            failed[scan.case_id] = results.removeprefix(f"{scan.case_id}: ")
            continue
        count += 1
        notes[scan.case_id] = _notes(scan, results)
        rows += [row for one in results for row in one.rows]
        write_rows(rows, folder / "rows.csv")
        if settings["maps"]:
            _save(scan, results, kind, folder)
        if len(figures) < settings["pictures"]:
            figures.append(_figure(scan, results, config, number=count))
    _print_notes(failed, notes)
    if not count:
        raise DataError(f"no scan could be reconstructed ({len(failed)} failed, listed above)")
    table = method_table(read_rows(folder / "rows.csv"))
    facts = _facts(config)
    noted = {case_id: lines for case_id, lines in notes.items() if lines}
    return Comparison(kind, table, count, failed, settings["published"], facts, noted), figures


def _notes(scan: Scan, results: Sequence[MethodResult]) -> list[str]:
    """Notes about a scan for the user, and those of the first method that has any."""
    return [*scan.gre.notes, *next((one.notes for one in results if one.notes), ())]


def _print_notes(failed: Mapping[str, str], notes: Mapping[str, list[str]]) -> None:
    lines = [f"failed: {case_id}: {reason}" for case_id, reason in failed.items()]
    lines += [f"note: {case_id}: {note}" for case_id, several in notes.items() for note in several]
    for line in lines:
        print(line, flush=True)


def _attempt(
    scan: Scan | Failed, methods: Mapping[str, Method], kind: str
) -> list[MethodResult] | str:
    """Results of every method on a scan, or the reason why one of them failed."""
    if isinstance(scan, Failed):
        return scan.reason
    try:
        first = [magnitude_of(scan)] if kind == "swi" else []
        return [*first, *(method(scan) for method in methods.values())]
    except (DataError, MemoryError, RuntimeError) as error:
        return " ".join(str(error).split()) or type(error).__name__


def _save(scan: Scan, results: list[MethodResult], kind: str, folder: Path) -> None:
    for one in results:
        name = f"{scan.case_id}_desc-{one.method.replace('_', '')}_{SUFFIXES[kind]}.nii.gz"
        array = np.ascontiguousarray(one.array, dtype=np.float32)
        save_like(array, scan.gre.header, folder / "maps" / name)
    if scan.truth_ppm is not None and kind == "qsm":
        name = f"{scan.case_id}_desc-{TRUTH}_Chimap.nii.gz"
        save_like(scan.truth_ppm.astype(np.float32), scan.gre.header, folder / "maps" / name)


def _figure(scan: Scan, results: list[MethodResult], config: Config, *, number: int) -> NamedFigure:
    """One axial slice of every method, through the nuclei or the middle of the brain."""
    mask = results[-1].mask
    focus = np.logical_or.reduce(list(scan.structures.values())) if scan.structures else mask
    maps = {one.method: one.array for one in results}
    if config["job"] == "qsm":
        window, unit = tuple(config["reconstruction"]["window"]), "ppm"
        if scan.truth_ppm is not None:
            level = scan.truth_ppm[mask].mean() if mask.any() else 0.0
            maps = {TRUTH: (scan.truth_ppm - level) * mask} | maps
    else:
        window, unit = grey_window(results[0].array, mask), ""
    scenes = {name: map_scene(array, scan.gre.affine, mask, focus) for name, array in maps.items()}
    figure = axial_figure(f"scan_{number}", scenes, window=window, unit=unit)
    te = ", ".join(f"{1000 * time:g}" for time in scan.gre.te_s)
    sides = " × ".join(f"{side:.3g}" for side in scan.gre.spacing_mm)
    caption = f"{scan.gre.field_t:g} T, echo times {te} ms, voxels of {sides} mm."
    return NamedFigure(f"scan_{number}", scan.case_id, caption, figure)


def _headline(comparison: Comparison) -> dict[str, float]:
    """Mean of the main score, of the first method that has one and of every method."""
    label, metric = HEADLINE[comparison.kind]
    table = comparison.methods
    rows = table[(table["label"] == label) & (table["metric"] == metric)]
    values = {f"{metric}/{row.method}": float(row.mean) for row in rows.itertuples(index=False)}
    own = [name for name in values if not name.endswith("/magnitude")]
    return ({metric: values[own[0]]} if own else {}) | values


def _write(
    comparison: Comparison,
    figures: list[NamedFigure],
    values: Mapping[str, float],
    config: Config,
    folder: Path,
) -> None:
    write_tsv(comparison.methods, folder / "methods.tsv")
    for one in figures:
        save_figure(one.figure, folder / "pictures" / one.name)
    summary = {
        "scans": comparison.n_scans,
        "failed": dict(comparison.failed),
        "notes": dict(comparison.notes),
        "values": {key: value if np.isfinite(value) else None for key, value in values.items()},
        "methods": json.loads(comparison.methods.to_json(orient="records")),
    }
    write_json(folder / "summary.json", summary)
    page = reconstruction_html(comparison, figures, title=_title(config))
    write_text(folder / "report.html", page)
    heads, lines = cells(comparison, SHORT)
    print(aligned([heads, *lines]))
    print(f"\n{sentence(comparison)}")
    for one in comparison.published:
        print(f"  published: {one['label']} {one['value']} ppm ({one.get('source', '')})")
    print(f"\nrun folder  {folder}\nrows        {folder / 'rows.csv'}")
    print(f"report      {folder / 'report.html'}")


def _title(config: Config) -> str:
    """Title of the run if it differs from the kind, else ""."""
    return "" if config["name"] == config["job"] else title_of(str(config["name"]))


def _log(
    made: list[Logger], comparison: Comparison, values: Mapping[str, float], folder: Path
) -> None:
    for logger in made:
        logger.log_metrics({f"test/{key}": value for key, value in values.items()}, step=0)
        logger.save()
    log_final(made, summary=dict(values), rows=read_rows(folder / "rows.csv"), study=None)

    def log_results(run: "wandb.Run") -> None:
        """Log all pictures, and the table of methods."""
        paths = sorted((folder / "pictures").glob("*.png"))
        images = {f"maps/{path.stem}": wandb.Image(str(path)) for path in paths}
        run.log(images | {"methods": wandb.Table(dataframe=comparison.methods)})

    on_wandb(made, log_results)


def _facts(config: Config) -> dict[str, str]:
    settings = {
        key: ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for key, value in config["reconstruction"].items()
        if key != "published"
    }
    source = config["data"]["root"]
    return {
        "scans": Path(source).name if source else "simulated, of the built-in cohort",
        **settings,
    }
