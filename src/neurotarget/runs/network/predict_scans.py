"""Prediction of scans with a trained run, or with several as an ensemble, into a folder."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from neurotarget.data.formats.scratch import scratch_folder
from neurotarget.inference.case_predictor import CasePredictor
from neurotarget.inference.inputs import find_inputs
from neurotarget.inference.ledger import CaseResult
from neurotarget.inference.predict_folder import Look, predict_all
from neurotarget.problems import DataError
from neurotarget.runs.layouts.bids_layout import BidsLayout
from neurotarget.runs.layouts.bids_tables import write_tables
from neurotarget.runs.layouts.deepparcellation_layout import DeepParcellationLayout
from neurotarget.runs.layouts.dicom_seg import DicomSegs, forget_seg
from neurotarget.runs.layouts.lookup_tables import labels_of, write_lookup_tables
from neurotarget.runs.network.objects import build, build_foreign
from neurotarget.runs.network.requested_networks import requested_networks
from neurotarget.runs.network.run_ensemble import MODES, joined_networks
from neurotarget.runs.network.trained_network import TrainedNetwork
from neurotarget.types import Case

LAYOUTS = {"bids": BidsLayout, "deepparcellation": DeepParcellationLayout}  # and plain
SHOWN = 5  # names in a message
# loaded only where they are used, and the page, with all of the report, at the end
PICTURES, PAGE = "neurotarget.runs.qc.qc_pictures", "neurotarget.runs.qc.write_qc"


class Predicted(NamedTuple):
    """Results of the cases of one call, and the table that holds them."""

    results: list[CaseResult]
    table: Path  # of all cases in the folder
    has_masks: bool  # whether each case has a label map too
    first: tuple[Path, Path] | None  # scan and label map of one case, to look at
    page: Path | None = None  # of quality control


class _Loaded(NamedTuple):
    """A predictor, a hash of its weights, and the run folders that they are from."""

    predictor: CasePredictor
    made_by: str
    runs: list[Path]


def predict_scans(
    run: Path | str | Sequence[Path | str],
    scans: Path | str,
    output: Path | str,
    *,
    weights: str = "best",
    ensemble: str = "mean",
    device: str = "auto",
    overlap: float | None = None,
    mirror: bool | None = None,
    postprocess: str = "run",
    layout: str = "plain",
    series: str | None = None,
    probabilities: bool = False,
    dicom_seg: bool = False,
    qc: bool = True,
    overwrite: bool = False,
    trust: bool = False,
) -> Predicted:
    """Segment every case of `scans` into `output`, or predict its outcomes.

    Args:
        run: a run folder, a folder of several runs, a file that `export` has written, the name of a
            shipped network, or a list of these; several form an ensemble.
        scans: a scan, a folder of scans, a DICOM series, a BIDS data set or a manifest.
        output: folder for label maps and volumes.tsv, or for outcomes.tsv; it is new, empty or
            written by neurotarget.
        weights: `best` or `last`.
        ensemble: `mean` of probabilities, or `soup` (mean of weights).
        device: `auto`, `cpu`, `cuda` or `mps`.
        overlap: share of a window that the next one covers; None: as in the run's config.
        mirror: whether the left/right mirror is scored too; None: as in the run's config.
        postprocess: `run` applies the steps that the run has kept, `none` applies none.
        layout: `plain`; `bids` for BIDS-Derivatives; or `deepparcellation` for its folders, on the
            conformed grid.
        series: selects one of several DICOM series, by number or UID.
        probabilities: whether maps of probabilities are written too.
        dicom_seg: whether label maps of DICOM series are written as DICOM Segmentation too, which
            needs highdicom.
        qc: whether qc.html is written, a page to look at the cases and to rate them.
        overwrite: whether files that neurotarget did not write may be replaced.
        trust: whether a run's configuration may name code other than neurotarget's.

    Raises:
        DataError: a setting, a run or the input cannot be used; a failed case is a result.
    """
    settings = {
        "device": device,
        "overlap": overlap,
        "mirror": mirror,
        "postprocess": postprocess,
        "make": build if trust else build_foreign,
    }
    loaded, made_by, runs = _load(requested_networks(run, weights), ensemble, settings)
    predictor = LAYOUTS[layout](loaded) if layout in LAYOUTS else loaded
    target, output = predictor.target, Path(output)
    pictures = _pictures(predictor, output) if qc else None
    if dicom_seg and layout == "deepparcellation":
        raise DataError(
            "dicom_seg: found true with layout=deepparcellation, whose label maps are on another "
            "grid than the series; set layout=plain or bids"
        )
    with scratch_folder() as scratch:
        segs = DicomSegs(predictor, output, scratch.slices) if dicom_seg else None
        cases = find_inputs(
            Path(scans),
            target.contrasts,
            scratch=scratch,
            series=series,
            films=target.is_flat,
            fill=loaded.fills_missing,
        )
        results = predict_all(
            predictor,
            cases,
            output,
            made_by=made_by,
            overwrite=overwrite,
            probabilities=probabilities,
            ready=scratch.ready,
            look=_each(
                segs.write if segs else partial(forget_seg, predictor, output),
                pictures and pictures.draw,
            ),
        )
        if segs and not segs.write_missing(cases, results, scratch.ready):
            print(f"dicom_seg: no case of {scans} is a DICOM series, so none was written")
        if pictures:
            pictures.draw_missing(cases, results, scratch.ready)
    if isinstance(predictor, BidsLayout):
        predictor.describe(output, made_by)
        write_tables(predictor.form, output, Path(scans))
    has_masks = predictor.num_always > 0 and bool(results)
    if has_masks and not target.is_flat and len(target.labels) > 1:
        write_lookup_tables(target, output)
    first = _first(predictor, cases, results, output) if has_masks and not target.is_flat else None
    page = None
    if pictures:
        write_qc = import_module(PAGE).write_qc
        page = write_qc(output, predictor.form, target, pictures, runs=runs, made_by=made_by)
    return Predicted(results, output / predictor.form.file, has_masks, first, page)


def _each(*acts: Look | None) -> Look:
    """Combine functions into one that calls all of them with a predicted case; skip None."""
    wanted = [act for act in acts if act]

    def look(case: Case) -> None:
        """Call all of them, in their order, with a predicted case."""
        for act in wanted:
            act(case)

    return look


def _pictures(predictor: CasePredictor, output: Path) -> Any:  # noqa: ANN401
    """Object that draws the pictures of cases, with the colours of the lookup tables."""
    colours = [one.colour for one in labels_of(predictor.target)] if predictor.target.labels else []
    return import_module(PICTURES).CasePictures(predictor, output, colours)


def _first(
    predictor: CasePredictor, cases: Sequence[Case], results: Sequence[CaseResult], output: Path
) -> tuple[Path, Path] | None:
    """Scan and label map of the first case whose scan is still a file; DICOM was converted."""
    for case, result in zip(cases, results, strict=True):
        image = next(iter(case.images.values()), None)
        if result.status == "done" and image is not None and image.is_file():
            return image, predictor.files(case.case_id, output)[0]
    return None


def _load(networks: Iterable[TrainedNetwork], mode: object, settings: dict[str, Any]) -> _Loaded:
    if mode not in MODES:
        raise DataError(f"ensemble: found {mode}, wanted {' or '.join(MODES)}")
    names: list[str] = []
    runs: list[Path] = []

    def noted() -> Iterator[TrainedNetwork]:
        """The networks, while their names and run folders are noted."""
        for network in networks:
            names.append(network.name)
            runs.append(network.config_file.parent)
            yield network

    loaded, made_by = joined_networks(noted(), mode=str(mode), **settings)
    if len(names) > 1:
        listed = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
        what = "the mean of the probabilities" if mode == "mean" else "the mean of the weights"
        print(f"{what} of {len(names)} networks ({listed})", flush=True)
    return _Loaded(loaded, made_by, runs)
