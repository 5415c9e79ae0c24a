"""From a scan to a label map on the scan's own grid, with volumes and warning flags."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import nibabel as nib
import numpy as np
import torch
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy import ndimage
from torch import Tensor, nn

from neurotarget.data.batches.prepare import Preparation, Scans, read_scans, to_work
from neurotarget.data.formats.picture import save_picture
from neurotarget.data.formats.scan_report import GUESSED
from neurotarget.data.labels import WHITE, class_of_id, to_classes, to_file_ids
from neurotarget.data.scans.geometry import Grid, image_to_native
from neurotarget.data.scans.volume import counted_for, read_volume
from neurotarget.data.sides.midplane import middle_of
from neurotarget.data.sides.pairs import split_probabilities
from neurotarget.files.writing import written
from neurotarget.inference.case_predictor import CasePredictor, finite
from neurotarget.inference.ledger import Form, volume_form
from neurotarget.inference.localiser import Limits, Located, locate
from neurotarget.inference.outcome_table import Finding, finding_of, marks_path, write_finding
from neurotarget.inference.postprocess import Postprocessing
from neurotarget.inference.postprocess_choice import Example, choose
from neurotarget.inference.windows.memory_need import windows_that_fit
from neurotarget.inference.windows.slab_labels import Slab, label_maps
from neurotarget.inference.windows.structure_stats import (
    SoftVolumes,
    named_structures,
    write_colours,
    write_stats,
)
from neurotarget.inference.windows.tiling import SlidingWindow
from neurotarget.metrics.film_scores import ruled
from neurotarget.metrics.masks.volume_error import voxel_mm3
from neurotarget.pieces import large_pieces, unusual_pieces
from neurotarget.problems import DataError
from neurotarget.shapes import Image
from neurotarget.types import Case, Manifest, Target

NO_STEPS = Postprocessing()
MOST_VALUES = 16_000_000  # probabilities that are computed together
TEXTS = ("descrip", "aux_file", "db_name")  # of a NIfTI header; free text, which may name a person


class Prediction(NamedTuple):
    """Result for one scan, on the scan's own grid and in its stored order."""

    case_id: str
    classes: Integer[ndarray, "..."]  # class indices, 0 is background
    probabilities: Float[ndarray, "L I J K"] | None  # on the working box; None unless asked for
    grid: Grid
    header: nib.Nifti1Header  # of the first contrast; files are written with its geometry
    values: dict[str, float]  # volume by label, or area of pictures
    flags: tuple[str, ...]  # signs of a failure, for a person to check
    located: Located | None = None  # by the localiser of a cascade
    soft: SoftVolumes | None = None  # where labels are structures by name
    finding: Finding | None = None  # where the target has an image score


class Localiser(NamedTuple):
    """First stage of a cascade: a predictor on a coarse grid with one label, and its limits."""

    predictor: "Predictor"
    limits: Limits

    def locate(self, scans: Scans) -> Located:
        """Find the target in whole scans, which were read with the preparation of the localiser."""
        work = to_work(scans, self.predictor.target)
        return locate(self.predictor.probabilities(work.image)[1], work.grid, self.limits)


class Predictor(CasePredictor):
    """A trained network that segments scans; one serves a whole folder.

    With a `localiser` the network gets the box that it finds. If its localisation is rejected, the
    network gets the target's own region of interest, or the whole scan, and the prediction is
    flagged. `postprocessing` changes the final label map, and with it volumes and flags;
    probabilities, and those that a localiser uses, stay unchanged.
    """

    steps_file: ClassVar[str] = "postprocessing.json"
    most_examples: ClassVar[int] = 40
    no_steps: ClassVar[Postprocessing] = NO_STEPS

    def __init__(
        self,
        net: nn.Module,
        target: Target,
        preparation: Preparation,
        *,
        inferer: SlidingWindow | None = None,
        localiser: Localiser | None = None,
        **settings: Any,  # noqa: ANN401 - those of `CasePredictor`
    ) -> None:
        super().__init__(
            net,
            target,
            preparation,
            inferer=inferer or SlidingWindow(target.patch_vox),
            **settings,
        )
        self.localiser = localiser

    @property
    def settings(self) -> dict[str, object]:
        """Everything that affects a prediction except the weights and the scan, as plain values."""
        target, first = self.target, self.localiser
        # left out if empty, so that hashes of older predictions without them stay valid
        steps = {"postprocessing": self.postprocessing.as_dict()} if self.postprocessing else {}
        pieces = {"pieces": dict(self.target.pieces)} if self.target.pieces else {}
        rule = {"image_score": asdict(target.image_score)} if target.image_score else {}
        return {
            **steps,
            **rule,
            **pieces,
            **super().settings,
            "localiser": first and [first.predictor.settings, asdict(first.limits)],
            "labels": dict(target.labels),
            "sides": target.sides,
            target.size_units.range_field: dict(target.size_ranges),
            "overlap": self.inferer.overlap,
        }

    @property
    def plain_steps(self) -> dict[str, Any] | None:
        """Plain values of the steps, whose names have the target's units; None without steps."""
        units = self.target.size_units
        return self.postprocessing.as_dict(units) if self.postprocessing else None

    @property
    def form(self) -> Form:
        """Form of the table of volumes."""
        return volume_form(self.target.label_names, self.target.size_units)

    def files(self, case_id: str, output: Path) -> list[Path]:
        """Files that a case can have: the label map, for a picture also as PNG, then probabilities.

        There is one map of probabilities per label. Where labels are structures by name, their
        statistics follow the label map; where the target has an image score, the table of marks.
        """
        maps = [probability_path(output, case_id, name) for name in self.target.label_names]
        path = output / f"{case_id}.nii.gz"
        own = [picture_path(path)] if self.target.is_flat else []
        own += [output / f"{case_id}_aseg.stats"] if named_structures(self.target) else []
        own += [marks_path(output, case_id)] if self.target.image_score else []
        return [path, *own, *maps]

    @property
    def num_always(self) -> int:
        """Number of files of every case: label map, and any PNG, structure statistics or marks."""
        target = self.target
        return 1 + target.is_flat + bool(named_structures(target)) + bool(target.image_score)

    def save(self, prediction: Prediction, output: Path, *, probabilities: bool) -> None:
        """Write the label map, and one map of probabilities per label if wanted.

        Where labels are structures by name, their statistics and colours are written too.
        """
        if probabilities:
            save_probabilities(prediction, self.target, output)
        path, *others = self.files(prediction.case_id, output)[: self.num_always]
        if prediction.soft is not None:
            self.save_stats(prediction, others[self.target.is_flat])
            write_colours(self.target, output)
        if prediction.finding is not None:
            write_finding(prediction.case_id, prediction.finding, self.target, output)
        save_labels(prediction, self.target, path)

    def save_stats(self, prediction: Prediction, path: Path) -> None:
        """Write the statistics of labels that are structures by name."""
        native, work = prediction.grid.native_affine, prediction.grid.work_affine
        write_stats(
            path,
            prediction.case_id,
            self.target,
            volumes_mm3=prediction.values,
            native_mm3=voxel_mm3(native),
            soft=prediction.soft,
            work_mm3=voxel_mm3(work),
        )

    def predict(self, case: Case, *, probabilities: bool = False) -> Prediction:
        """Segment one case; the prediction has probabilities only if they are asked for.

        Raises:
            DataError: a file is missing or broken, or the region of interest misses the scan.
        """
        scans = read_scans(case, self.target, self.preparation, fill=self.fills_missing)
        target, located = self.target, None
        if self.localiser is not None:
            located = self.localiser.locate(scans)
            roi = located.roi(self.localiser.limits) or target.roi
            target = replace(target, roi=roi)
        image, grid, header = to_work(scans, target)
        warnings = self.notes_on(scans)
        del scans  # free memory for the network
        kept, notes, finding, slabs = None, (), None, self.slabs(image)
        # sides are separated in whole label maps
        if probabilities or target.sides == "split" or target.image_score:
            kept, notes = split_probabilities(
                _joined(slabs, grid.shape),
                grid.work_affine,
                target,
                middle=lambda: middle_of(image[0], grid.work_affine),
            )
            slabs = (kept,)
        if target.image_score:
            finding = finding_of(kept, grid, target)
            own = ruled(kept[1], target.image_score)
            slabs = (np.stack([1 - own, own]),)
        soft = SoftVolumes(target.num_labels) if named_structures(target) else None
        slabs = slabs if soft is None else soft.watched(slabs)
        classes, boxed = label_maps(slabs, grid, target.num_labels)
        names = target.label_names
        native_mm3, work_mm3 = map(voxel_mm3, (grid.native_affine, grid.work_affine))
        classes = self.postprocessing.apply(classes, names, native_mm3)
        boxed = self.postprocessing.apply(boxed, names, work_mm3)
        counts = sum(np.bincount(one.ravel(), minlength=target.num_labels) for one in classes)
        volumes = {name: counts[i] * native_mm3 for i, name in enumerate(names, start=1)}
        flags = (*_flags(target, volumes, boxed), *notes, *warnings)
        if located is not None and located.reason:
            place = "the region of interest" if target.roi else "the whole scan"
            flags = (f"not localised ({located.reason}): {place} was segmented", *flags)
        kept = kept if probabilities else None
        parts = (classes, kept, grid, header, volumes, flags, located, soft, finding)
        return Prediction(case.case_id, *parts)

    @classmethod
    def read_steps(cls, values: Mapping[str, Any], target: Target) -> Postprocessing:
        """Steps on label maps from their plain values, whose names have the target's units."""
        return Postprocessing.read(values, target.size_units)

    def has_reference(self, case: Case) -> bool:
        """Return whether the case has a reference mask."""
        return case.label is not None

    def example(self, case: Case, manifest: Manifest) -> Example:
        """Reference and prediction of a case on its own grid, cropped to their labels.

        Raises:
            DataError: a file is missing or broken, or the mask is on another grid than the scan.
        """
        prediction = self.predict(case)
        volume = counted_for(read_volume(case.label, case_id=case.case_id), self.target)
        ids = class_of_id(self.target, manifest.label_ids)
        truth = to_classes(volume.array, ids, case_id=case.case_id, file=str(case.label))
        if truth.shape != prediction.classes.shape:
            raise DataError(f"{case.label}: found a mask on another grid, wanted that of the scan")
        if not volume.is_sized:
            volume = volume._replace(affine=prediction.grid.native_affine)
        spacing_mm, one_mm3 = volume.spacing_mm, voxel_mm3(volume.affine)
        return Example(truth, prediction.classes, spacing_mm, one_mm3).cropped()

    def choose(self, examples: Sequence[Example]) -> dict[str, Any]:
        """Steps on label maps that help on the examples, named with the target's units."""
        chosen, units = choose(examples, self.target.expected_pieces), self.target.size_units
        trials = [one._replace(step=units.named(one.step)) for one in chosen.trials]
        values = chosen._replace(trials=trials).as_dict()
        for name in ("trials", "changes"):
            values[name] = [
                {units.named(key): value for key, value in one.items()} for one in values[name]
            ]
        return values | {"steps": chosen.steps.as_dict(units)}

    def probabilities(self, image: Float[ndarray, "C I J K"]) -> Float[ndarray, "L I J K"]:
        """Probability of each class, background first, in every voxel of a working box; float32."""
        return _joined(self.slabs(image), image.shape[1:])

    def slabs(self, image: Float[ndarray, "C I J K"]) -> Iterator[Slab]:
        """The same probabilities in slabs along I, each until the next one is asked for.

        Raises:
            DataError: the memory that is free does not suffice.
        """
        batch, labels = self.batch(image), self.target.num_labels
        self.inferer.limit(windows_that_fit(self.inferer, batch, self.net, labels))
        for scores in self.inferer.slabs(batch, self._score):
            plane = scores[0, :, 0].numel()
            for slab in scores[0].split(max(MOST_VALUES // plane, 1), dim=1):
                yield finite(self.to_probabilities(slab).cpu().numpy())

    def _score(self, windows: Image) -> Tensor:
        with torch.inference_mode(), self.precision():
            return self.net(windows)

    def to_probabilities(self, scores: Float[Tensor, "L ..."]) -> Float[Tensor, "L ..."]:
        """Probabilities of the classes from the scores of a part of a box."""
        rows = scores.movedim(0, -1)
        # of many labels the classes are innermost in memory, and softmax is faster there
        is_last = rows.is_contiguous()
        return rows.softmax(-1).movedim(-1, 0) if is_last else scores.softmax(0)


def _joined(slabs: Iterable[Slab], sides: Sequence[int]) -> Float[ndarray, "L I J K"]:
    """One array of slabs along the first axis of a box."""
    whole, stop = None, 0
    for slab in slabs:
        if whole is None:
            whole = np.empty((len(slab), *sides), slab.dtype)
        first, stop = stop, stop + slab.shape[1]
        whole[:, first:stop] = slab
    return whole


def save_labels(prediction: Prediction, target: Target, path: Path) -> None:
    """Write the label map atomically; for a picture also as PNG, next to it.

    In the PNG the only label is white, 255; of several labels the ids are written.
    """
    ids = to_file_ids(prediction.classes, target)
    if target.is_flat:
        is_white = len(target.labels) == 1
        save_picture(np.where(ids > 0, WHITE, 0) if is_white else ids, picture_path(path))
    save_like(ids, prediction.header, path)


def picture_path(path: Path) -> Path:
    """PNG next to a label map."""
    return path.with_name(f"{path.name.removesuffix('.nii.gz')}.png")


def save_probabilities(prediction: Prediction, target: Target, folder: Path) -> None:
    """Write one map per label, 0 to 1, as `<case_id>_<label>_probability.nii.gz`."""
    for number, name in enumerate(target.label_names, start=1):
        values = image_to_native(prediction.probabilities[number], prediction.grid)
        save_like(values, prediction.header, probability_path(folder, prediction.case_id, name))


def probability_path(folder: Path, case_id: str, label: str) -> Path:
    """File of one label's map."""
    return folder / f"{case_id}_{label}_probability.nii.gz"


def save_like(array: ndarray, header: nib.Nifti1Header, path: Path) -> None:
    """Write an array as NIfTI with the geometry of `header` and nothing else of it.

    Geometry is affine, sform and qform codes, and the stored shape: a scan (I, J, K, 1) gets a map
    (I, J, K, 1). Extensions and free text, which may name a patient, are dropped.
    """
    kind = nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image
    array = array.reshape(header.get_data_shape())
    plain = header.copy()
    plain.extensions.clear()
    plain.set_data_offset(0)  # without extensions, voxels follow the header directly
    plain.set_intent("none")
    for text in TEXTS:
        if text in plain and plain[text].item() != GUESSED:
            plain[text] = b""
    plain.set_data_dtype(array.dtype)
    plain.set_slope_inter(1, 0)
    plain["cal_min"], plain["cal_max"] = float(array.min(initial=0)), float(array.max(initial=0))
    with written(path) as draft:
        nib.save(kind(array, None, plain), draft)


def _flags(target: Target, volumes: dict[str, float], classes: ndarray) -> tuple[str, ...]:
    """Signs of a failure that can be found without a reference."""
    flags = []
    boxes = ndimage.find_objects(classes, max_label=len(volumes))
    for number, (name, volume) in enumerate(volumes.items(), start=1):
        box = boxes[number - 1]
        low, high = target.size_ranges.get(name, (0.0, np.inf))
        if box is None:
            # a range from 0 states that some cases lack the label
            flags += [] if name in target.size_ranges and low == 0 else [f"{name}: empty"]
            continue
        if not low <= volume <= high:
            unit = target.size_units.unit
            flags.append(f"{name}: {volume:.0f} {unit} is outside {low:.0f}-{high:.0f}")
        if target.roi is not None and _touches_edge(box, classes.shape):
            flags.append(f"{name}: touches the edge of the region of interest")
        pieces = large_pieces(classes[box] == number)
        if unusual := unusual_pieces(pieces, target.expected_pieces[name]):
            flags.append(f"{name}: {unusual}")
    return tuple(flags)


def _touches_edge(box: tuple[slice, ...], sides: tuple[int, ...]) -> bool:
    pairs = zip(box, sides, strict=True)
    return any(side > 1 and (span.start == 0 or span.stop == side) for span, side in pairs)
