"""Radiomics features of every region of a data set, as one table, and a file of the settings.

Each case is a file `cases/<case_id>.json`, which is kept as long as its scans and the settings stay
the same, so that a stopped command resumes. A failed case has a row with the reason.
"""

import json
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from tqdm import tqdm

from neurotarget.data.reading_results import read_json
from neurotarget.files.hashes import digest, hash_of_value
from neurotarget.files.ownership import claim, refuse_twins
from neurotarget.files.writing import table_text, write_text
from neurotarget.image_features.feature_names import FeatureName, described, split_filter
from neurotarget.image_features.feature_settings import FeatureSettings
from neurotarget.problems import DataError, Problem, error
from neurotarget.report.drawing.figure import save_figure
from neurotarget.report.drawing.region_histograms import histograms_figure
from neurotarget.studies.features.feature_guards import feature_problems
from neurotarget.studies.features.feature_regions import Labels, RegionFeatures, measured_case
from neurotarget.studies.features.feature_scales import Scales, fit_scales
from neurotarget.types import Case, Manifest

TABLE, SIDECAR, HISTOGRAMS = "features.tsv", "features.json", "histograms.tsv"
FIXED = ("case_id", "subject_id", "contrast", "label", "status", "voxels", "undefined", "note")
DIGITS = "%.9g"
STANDARD = "IBSI 1, doi:10.1148/radiol.2020191145, and IBSI 2, doi:10.1148/radiol.231319"


class Measured(NamedTuple):
    """The table of features, and its problems.

    The table has the columns `FIXED`, then one per feature, NaN where it is undefined or the region
    was not measured; problems are as in `feature_problems`.
    """

    table: pd.DataFrame
    problems: list[Problem]


def parse_labels(words: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Labels from words such as `core:1+4`: ids by name; the ids of a name are merged.

    Raises:
        DataError: a word has another form, or a name is given twice.
    """
    labels: dict[str, tuple[int, ...]] = {}
    for word in words:
        name, _, ids = word.partition(":")
        numbers = ids.split("+")
        if (
            not name
            or name in labels
            or not all(one.isascii() and one.isdigit() for one in numbers)
        ):
            todo = "write labels=core:1+4,whole:1+2+4"
            raise DataError(error(f"labels={word}", "a new name and its ids", todo))
        labels[name] = tuple(map(int, numbers))
    return labels


def measure_features(
    manifest: Manifest,
    output: Path,
    settings: FeatureSettings,
    *,
    labels: Labels | None = None,
    brains: Mapping[str, Path] | None = None,
    fit_on: str | None = None,
    save_images: bool = False,
    histograms: bool = False,
    workers: int = 1,
    overwrite: bool = False,
    perturb: str = "",
) -> Measured:
    """Measure all regions of the cases with a mask; write features.tsv and features.json.

    Args:
        manifest: cases with their images and masks on one grid.
        output: folder for the tables.
        settings: of the features.
        labels: regions by name; without them each value of a mask is a region.
        brains: brain masks by case, for `normalise`.
        fit_on: training cases of `normalise=nyul`, see `feature_scales.fit_scales`.
        save_images: whether the prepared images of each region are written to `images`.
        histograms: whether percentiles of each region are written to histograms.tsv and drawn.
        workers: number of processes that measure cases in parallel.
        overwrite: whether files that neurotarget did not write may be replaced.
        perturb: change of each mask: erode, dilate, shift or contour; "" for none.

    Returns:
        The content of features.tsv, one row per case, contrast and label, and problems of the table
        as a whole, such as mixed units, which the caller reports.

    Raises:
        DataError: no case has a mask, or the folder cannot be written.
    """
    cases = [case for case in manifest.cases if case.label is not None and case.images]
    if not cases:
        todo = "add a column label, or masks=<folder>"
        raise DataError(error("no case with an image and a mask", "at least one", todo))
    files = {case.case_id: output / "cases" / f"{case.case_id}.json" for case in cases}
    refuse_twins({name: [path] for name, path in files.items()})
    names = (TABLE, SIDECAR, HISTOGRAMS, "histograms.svg", "histograms.png")
    outputs = [*files.values(), *(output / name for name in names)]
    claim(output, files=outputs, overwrite=overwrite)
    scales = fit_scales(cases, settings, brains=brains, fit_on=fit_on)
    folder = output / "images" if save_images else None
    measure = partial(measured_case, labels=labels, scales=scales, folder=folder, perturb=perturb)
    whole: dict[str, list[RegionFeatures]] = {}
    key = [settings.record(), labels, version("neurotarget"), *scales.key(), save_images]
    key += [perturb] if perturb else []
    ours = partial(claim, output, overwrite=overwrite)  # in each process that writes images
    for case, made_from, regions in _measured(
        cases, files, measure, ours, key=key, workers=workers
    ):
        whole[case.case_id] = regions
        if not any(one.status == "failed" for one in regions):
            content = {"made_from": made_from, "regions": [one._asdict() for one in regions]}
            write_text(files[case.case_id], json.dumps(content) + "\n")
    table = _table(cases, whole)
    rescaled = {name for name in table["contrast"].unique() if scales.method(name) != "none"}
    problems = feature_problems(table, rescaled)
    write_text(output / TABLE, table_text(table, float_format=DIGITS))
    write_text(
        output / SIDECAR,
        _sidecar(table, scales, problems, source=manifest.source, labels=labels, perturb=perturb),
    )
    if histograms:
        _write_histograms(cases, whole, output)
    return Measured(table, problems)


def _measured(
    cases: Sequence[Case],
    files: Mapping[str, Path],
    measure: Callable[[Case], list[RegionFeatures]],
    start: Callable[[], object],
    *,
    key: Sequence[object],
    workers: int,
) -> Iterator[tuple[Case, str, list[RegionFeatures]]]:
    """Yield each case, the hash of its scans and of the settings, and its regions, as they finish.

    Each worker process calls `start` once, before its first case.
    """
    left: dict[str, tuple[Case, str]] = {}
    for case in cases:
        scans = {name: digest(path) for name, path in {**case.images, "": case.label}.items()}
        made_from = hash_of_value([*key, scans])
        known = _kept(files[case.case_id], made_from)
        if known is None:
            left[case.case_id] = (case, made_from)
        else:
            yield case, made_from, known
    if min(workers, len(left)) <= 1:
        for case, made_from in tqdm(left.values(), "features", unit="case", delay=1):
            yield case, made_from, measure(case)
        return
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=start)
    try:
        pending = {pool.submit(measure, case): name for name, (case, _) in left.items()}
        for done in tqdm(as_completed(pending), "features", len(pending), unit="case", delay=1):
            yield *left[pending[done]], done.result()
    except BrokenProcessPool as ended:
        todo = "run it again with fewer workers; finished cases are kept"
        raise DataError(error("a worker that was killed", "enough memory", todo)) from ended
    finally:
        pool.shutdown(cancel_futures=True)


def _kept(path: Path, made_from: str) -> list[RegionFeatures] | None:
    """Regions that were measured before; None if there are none of the same scans and settings."""
    if not path.is_file():
        return None
    content, problems = read_json(path)
    if problems or content.get("made_from") != made_from:
        return None
    try:
        return [RegionFeatures(**one) for one in content["regions"]]
    except (KeyError, TypeError):
        return None


def _table(cases: Sequence[Case], whole: Mapping[str, list[RegionFeatures]]) -> pd.DataFrame:
    """One row per region, with one column per feature; NaN where it is undefined."""
    lines: list[dict[str, Any]] = []
    for case in cases:
        for one in whole[case.case_id]:
            undefined = sum(value is None for value in one.features.values())
            fixed = (
                *(case.case_id, case.subject_id, one.contrast, one.label, one.status),
                *(one.voxels, undefined, one.note or "n/a"),
            )
            lines.append(dict(zip(FIXED, fixed, strict=True)) | one.features)
    table = pd.DataFrame(lines)
    names = [name for name in table.columns if name not in FIXED]
    return table[[*FIXED, *names]].astype(dict.fromkeys(names, float))


def _sidecar(
    table: pd.DataFrame,
    scales: Scales,
    problems: Sequence[Problem],
    *,
    source: Path,
    labels: Labels | None,
    perturb: str,
) -> str:
    """Settings, names and counts as JSON, from which the table can be made again."""
    names = {name: described(name) for name in table.columns if name not in FIXED}
    content = {
        "neurotarget": version("neurotarget"),
        "standard": STANDARD,
        "source": str(source),
        "settings": scales.settings.record(),
        "normalisation": scales.record(),
        "slices": "across the last stored axis of each image",
        "labels": labels or "each value of a mask",
        **({"masks_changed_by": perturb} if perturb else {}),
        "regions": table["status"].value_counts().to_dict(),
        "undefined_values": int(table["undefined"].sum()),
        "problems": [f"{one.level}: {one}" for one in problems],
        "features": {name: _named(name, one) for name, one in names.items() if one is not None},
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _named(column: str, one: FeatureName) -> dict[str, str]:
    """A feature by IBSI's names; response maps have no unit of their own."""
    name = split_filter(column)[0]
    if not name:
        return {"ibsi": one.ibsi, "name": one.name, "unit": one.unit}
    return {"ibsi": one.ibsi, "name": one.name, "unit": "", "filter": name}


def _write_histograms(
    cases: Sequence[Case], whole: Mapping[str, list[RegionFeatures]], output: Path
) -> None:
    """Percentiles of each region that was measured, as a table and a figure of all cases."""
    table = pd.DataFrame(
        [
            (case.case_id, one.contrast, one.label, percent, value)
            for case in cases
            for one in whole[case.case_id]
            for percent, value in enumerate(one.percentiles)
        ],
        columns=["case_id", "contrast", "label", "percentile", "value"],
    )
    write_text(output / HISTOGRAMS, table_text(table, float_format=DIGITS))
    if len(table):
        save_figure(histograms_figure(table), output / "histograms")
