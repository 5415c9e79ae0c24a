"""Radiomics features of every region of a data set, as one table, and a file of the settings.

Each case is a file `cases/<case_id>.json`, which is kept as long as its scans and the settings stay
the same, so that a stopped command resumes. A case that fails is a row with its reason.
"""

import json
import math
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from neurotarget.data.attempts import as_data_error, check_names
from neurotarget.data.labels import label_values
from neurotarget.data.reading_results import read_json
from neurotarget.data.scans.volume import Volume, read_volume, same_grid, sized_as
from neurotarget.files.hashes import digest, hash_of_value
from neurotarget.files.ownership import claim, refuse_twins
from neurotarget.files.writing import table_text, write_text
from neurotarget.image_features.extract import features_of
from neurotarget.image_features.feature_names import FeatureName, described, split_filter
from neurotarget.image_features.feature_settings import FeatureSettings
from neurotarget.problems import DataError, Problem, error
from neurotarget.studies.feature_guards import feature_problems
from neurotarget.types import Case, Manifest

TABLE, SIDECAR = "features.tsv", "features.json"
FIXED = ("case_id", "subject_id", "contrast", "label", "status", "voxels", "undefined", "note")
DIGITS = "%.9g"
STANDARD = "IBSI 1, doi:10.1148/radiol.2020191145, and IBSI 2, doi:10.1148/radiol.231319"

Labels = Mapping[str, tuple[int, ...]]  # name → ids, which are merged


class RegionFeatures(NamedTuple):
    """Features of one label of one contrast of a case."""

    contrast: str
    label: str
    status: str  # done | absent | failed
    voxels: int
    features: dict[str, float | None]  # None where undefined
    note: str = ""


class Measured(NamedTuple):
    """The table of features, and what is wrong with it."""

    table: pd.DataFrame
    problems: list[Problem]


def parse_labels(words: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Labels from words such as `core:1+4`: a name, and the ids that are merged.

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
    workers: int = 1,
    overwrite: bool = False,
) -> Measured:
    """Measure all regions of the cases with a mask; write features.tsv and features.json.

    Args:
        manifest: cases with their images and masks on one grid.
        output: folder for the tables.
        settings: of the features.
        labels: regions by name; without them each value of a mask is a region.
        workers: processes that measure cases side by side.
        overwrite: whether files that neurotarget did not write may be replaced.

    Raises:
        DataError: no case has a mask, or the folder cannot be written.
    """
    cases = [case for case in manifest.cases if case.label is not None and case.images]
    if not cases:
        todo = "add a column label, or masks=<folder>"
        raise DataError(error("no case with an image and a mask", "at least one", todo))
    files = {case.case_id: output / "cases" / f"{case.case_id}.json" for case in cases}
    refuse_twins({name: [path] for name, path in files.items()})
    outputs = [*files.values(), output / TABLE, output / SIDECAR]
    claim(output, files=outputs, overwrite=overwrite)
    act = partial(measured_case, labels=labels, settings=settings)
    whole: dict[str, list[RegionFeatures]] = {}
    key = [settings.record(), labels, version("neurotarget")]
    for case, made_from, regions in _each(cases, files, act, key=key, workers=workers):
        whole[case.case_id] = regions
        if not any(one.status == "failed" for one in regions):
            content = {"made_from": made_from, "regions": [one._asdict() for one in regions]}
            write_text(files[case.case_id], json.dumps(content) + "\n")
    table = _table(cases, whole)
    problems = feature_problems(table)
    write_text(output / TABLE, table_text(table, float_format=DIGITS))
    write_text(
        output / SIDECAR, _sidecar(table, settings, problems, source=manifest.source, labels=labels)
    )
    return Measured(table, problems)


def _each(
    cases: Sequence[Case],
    files: Mapping[str, Path],
    act: Callable[[Case], list[RegionFeatures]],
    *,
    key: Sequence[object],
    workers: int,
) -> Iterator[tuple[Case, str, list[RegionFeatures]]]:
    """Each case with the hash of what it is made from and its regions, as soon as known."""
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
            yield case, made_from, act(case)
        return
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        pending = {pool.submit(act, case): name for name, (case, _) in left.items()}
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


def measured_case(
    case: Case, *, labels: Labels | None, settings: FeatureSettings
) -> list[RegionFeatures]:
    """Features of all regions of a case; an error is the note of a failed region."""
    regions: list[RegionFeatures] = []
    for contrast, path in case.images.items():
        try:
            check_names(case.case_id, [Path(f"{case.case_id}.json")])
            assert case.label is not None  # only such cases are measured
            mask = read_volume(case.label, case_id=case.case_id)
            image = read_volume(path, case_id=case.case_id)
            mask = sized_as(mask, image)
            _check_grid(case, contrast, image, mask)
            regions += _regions(case, contrast, image, mask, labels=labels, settings=settings)
        except Exception as wrong:
            note = str(as_data_error(wrong, case.case_id))
            names = list(labels) if labels else ["n/a"]
            regions += [RegionFeatures(contrast, name, "failed", 0, {}, note) for name in names]
    return regions


def _check_grid(case: Case, contrast: str, image: Volume, mask: Volume) -> None:
    if same_grid(image, mask):
        return
    found, wanted = (
        f"{' × '.join(map(str, one.array.shape))} voxels of "
        f"{' × '.join(f'{side:g}' for side in one.spacing_mm)} mm"
        for one in (mask, image)
    )
    if found == wanted:
        apart = np.abs(mask.affine - image.affine)[:3].max(axis=1).round(3).tolist()
        found = f"{found} elsewhere (affines differ by {apart} mm along x, y, z)"
    todo = f"resample the mask to the grid of {contrast}, by nearest neighbour"
    place = {"case_id": case.case_id, "file": str(case.label)}
    raise DataError(error(f"a mask of {found}", f"{wanted}, as {contrast} has", todo, **place))


def _regions(
    case: Case,
    contrast: str,
    image: Volume,
    mask: Volume,
    *,
    labels: Labels | None,
    settings: FeatureSettings,
) -> Iterator[RegionFeatures]:
    place = {"case_id": case.case_id, "file": str(case.label)}
    values = label_values(mask.array, **place)
    known = labels or {f"{value:g}": (value,) for value in values.tolist() if value}
    if not known:
        yield RegionFeatures(contrast, "n/a", "absent", 0, {}, "the mask is empty")
    for name, ids in known.items():
        inside = np.isin(mask.array, ids)
        voxels = int(inside.sum())
        if not voxels:
            yield RegionFeatures(contrast, name, "absent", 0, {}, "the mask has no voxel of it")
            continue
        try:
            made = features_of(image.array, inside, image.spacing_mm, settings)
            features = {key: one if math.isfinite(one) else None for key, one in made.items()}
            yield RegionFeatures(contrast, name, "done", voxels, features)
        except Exception as wrong:
            note = str(as_data_error(wrong, case.case_id))
            yield RegionFeatures(contrast, name, "failed", voxels, {}, note)


def _table(cases: Sequence[Case], whole: Mapping[str, list[RegionFeatures]]) -> pd.DataFrame:
    """One row a region, with a column a feature; NaN where it is undefined."""
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
    settings: FeatureSettings,
    problems: Sequence[Problem],
    *,
    source: Path,
    labels: Labels | None,
) -> str:
    """Settings, names and counts as JSON, from which the table can be made again."""
    names = {name: described(name) for name in table.columns if name not in FIXED}
    content = {
        "neurotarget": version("neurotarget"),
        "standard": STANDARD,
        "source": str(source),
        "settings": settings.record(),
        "slices": "across the last stored axis of each image",
        "labels": labels or "each value of a mask",
        "regions": table["status"].value_counts().to_dict(),
        "undefined_values": int(table["undefined"].sum()),
        "problems": [f"{one.level}: {one}" for one in problems],
        "features": {name: _named(name, one) for name, one in names.items() if one is not None},
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _named(column: str, one: FeatureName) -> dict[str, str]:
    """A feature in IBSI's words; response maps have no unit of their own."""
    word = split_filter(column)[0]
    if not word:
        return {"ibsi": one.ibsi, "name": one.name, "unit": one.unit}
    return {"ibsi": one.ibsi, "name": one.name, "unit": "", "filter": word}
