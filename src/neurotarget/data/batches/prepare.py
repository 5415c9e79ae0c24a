"""Prepare a case's files: canonical axes, target spacing, working box, one intensity scale."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple, get_args

import nibabel as nib
import numpy as np
from jaxtyping import Float
from numpy import ndarray
from tqdm import tqdm

from neurotarget.data.attempts import attempts
from neurotarget.data.batches.cache import ensure, entry_folder
from neurotarget.data.batches.roi import box_of
from neurotarget.data.cases.checkup import examine
from neurotarget.data.formats.detached import scan_digest
from neurotarget.data.histogram_scale import PERCENTILES
from neurotarget.data.labels import ClassOfId, class_of_id, to_classes
from neurotarget.data.scans.geometry import (
    Grid,
    image_to_work,
    sized_grid,
    whole_grid,
)
from neurotarget.data.scans.intensity_scale import (
    Intensity,
    Place,
    boxed,
    brain_box,
    combined,
    scaled,
)
from neurotarget.data.scans.planes import slices_last
from neurotarget.data.scans.volume import Volume
from neurotarget.data.sides.pairs import as_trained, to_trained
from neurotarget.data.work_labels import region_of, sample_foreground, work_labels
from neurotarget.derived import terms_of
from neurotarget.files.hashes import digest, hash_of_text, hash_of_value
from neurotarget.files.remembered import remembered
from neurotarget.problems import DataError, Problem, error, refuse_errors
from neurotarget.types import Case, Manifest, Roi, Target

VERSION = 6  # of the computation in this file; each increase prepares every case again
DIGESTS = ".digests.json"  # in the cache: hashes of scans and masks, valid until the files change

DigestOf = Callable[[Path], str]


class Scans(NamedTuple):
    """A case's contrasts on one intensity scale, with the axes in the order of the file."""

    case: Case
    values: Mapping[str, Float[ndarray, "..."]]  # contrast → (I, J, K) float32
    first: Volume  # the first contrast, unscaled
    affines: Mapping[str, ndarray]  # contrast → (4, 4)
    warnings: tuple[str, ...] = ()  # about its files, with the remedy
    brain: tuple[slice, ...] | None = None  # canonical box of a stripped brain; None: all voxels


class Work(NamedTuple):
    """A case's contrasts on its working box, with what is needed to restore its own grid."""

    image: Float[ndarray, "C I J K"]
    grid: Grid
    header: nib.Nifti1Header  # of the first contrast


@dataclass(frozen=True, slots=True)
class Preparation:
    """Settings of the intensity scale, which is computed from the whole scan, not from its box.

    `zscore` uses all voxels (as deepPGSegNet does, doi:10.3389/fendo.2024.1338743),
    `zscore_foreground` those above the scan's mean, `zscore_brain` those of a stripped brain, to
    which the working box is cut, with 0 outside the brain (as Weninger 2019 does,
    doi:10.1007/978-3-030-11726-9_1), `percentile` maps the clip percentiles to [0, 1], `none` keeps
    the scan's own unit (QSM in ppm) times `scale`, so that a network sees values near 1: 10 for
    ppm. `nyul` is the standard scale of `data.histogram_scale`, whose `landmarks` by contrast a
    training learns from its training cases. With `region_mm` the label is what a localiser
    learns: one ellipsoid in the bounding box of all labelled voxels, with each axis at least this
    long.
    """

    intensity: Intensity = "zscore"
    clip_percent: tuple[float, float] | None = (0.5, 99.5)
    scale: float = 1.0
    region_mm: float | None = None
    landmarks: Mapping[str, Sequence[float]] | None = None

    def __post_init__(self) -> None:
        known = get_args(Intensity)
        if self.intensity not in known:
            raise ValueError(f"intensity: got {self.intensity!r}, wanted one of {known}")
        if self.clip_percent is not None:
            low, high = (float(value) for value in self.clip_percent)
            object.__setattr__(self, "clip_percent", (low, high))
            if not 0 <= low < high <= 100:
                raise ValueError(f"clip_percent: got {low, high}, wanted 0 ≤ low < high ≤ 100")
        elif self.intensity == "percentile":
            raise ValueError("intensity: percentile needs clip_percent, such as [0.5, 99.5]")
        if self.landmarks is not None:
            plain = {name: [float(one) for one in row] for name, row in self.landmarks.items()}
            object.__setattr__(self, "landmarks", plain)
            if any(len(row) != len(PERCENTILES) or sorted(row) != row for row in plain.values()):
                raise ValueError(
                    f"landmarks: got {plain}, wanted {len(PERCENTILES)} rising numbers"
                )
        if not self.scale > 0 or (self.scale != 1 and self.intensity != "none"):
            raise ValueError(
                f"scale: got {self.scale} for intensity {self.intensity}, wanted a positive number "
                "for intensity none, and 1 for the others, which have a scale of their own"
            )


def prepare(
    manifest: Manifest,
    target: Target,
    preparation: Preparation,
    cache: Path,
    *,
    workers: int = 2,
    rois: Mapping[str, Roi | None] | None = None,
) -> dict[str, Path]:
    """Prepare every case once and return the entry folder of each, by case_id.

    Args:
        manifest: all cases to prepare.
        target: its working grid and labels.
        preparation: settings of the intensity scale.
        cache: folder of prepared cases; entries of the same content and settings are used again.
        workers: number of threads.
        rois: regions of interest of single cases, in place of the target's.

    Raises:
        DataError: cases could not be prepared; the error lists all of them.
    """
    mapping = class_of_id(target, manifest.label_ids)

    def prepared(case: Case) -> Path:
        """Entry folder of one case, with its own region of interest if `rois` is given."""
        case_target = target if rois is None else replace(target, roi=rois[case.case_id])
        return prepare_case(case, case_target, preparation, cache, mapping, digest_of=digest_of)

    with (
        remembered(digest, cache / DIGESTS) as digest_of,
        attempts(prepared, manifest.cases, workers) as outcomes,
    ):
        bar = tqdm(outcomes, "prepare", len(manifest.cases), unit="case", delay=1)
        results = dict(zip((case.case_id for case in manifest.cases), bar, strict=True))
    errors = [result for result in results.values() if isinstance(result, DataError)]
    if errors:
        raise join_errors(errors)
    return {case_id: folder for case_id, folder in results.items() if isinstance(folder, Path)}


def prepare_case(
    case: Case,
    target: Target,
    preparation: Preparation,
    cache: Path,
    mapping: ClassOfId,
    *,
    digest_of: DigestOf = digest,
) -> Path:
    """Prepare one case, or reuse its entry in the cache if content and settings are the same.

    Raises:
        DataError: a file is missing or broken, grids differ, or labels are unknown.
    """
    folder = entry_folder(cache, case.case_id, _key(case, target, preparation, mapping, digest_of))

    def make(draft: Path) -> dict:
        """Write the arrays of the case into a folder; return what `entry.json` records of it."""
        checkup, volumes = examine(case, target, mapping)
        refuse_errors(checkup.problems)
        image, grid, _ = to_work(_scans(case, volumes, target, preparation), target)
        image = stored(image)
        np.save(draft / "image.npy", image)
        facts = {
            "case_id": case.case_id,
            "grid": grid.as_dict(),
            "minimum": image.min(axis=(1, 2, 3)).tolist(),  # fills voxels outside of the volume
            "warnings": _by_role(checkup.problems, case),
            "digest": checkup.digest,
            "label_mm3": checkup.label_mm3,
            "right_mm": checkup.right_mm,
            "raters": checkup.raters,
            "cut": checkup.cut,
            "view": None if checkup.view is None else checkup.view.as_plain(),
        }
        foreground = np.zeros((0, 4), dtype=np.int16)
        if case.label is not None:
            # the classes that the network predicts: one for both sides with `sides: split`
            trained, num_labels = to_trained(mapping, target), as_trained(target).num_labels
            native = to_classes(
                volumes["label"].array, trained, case_id=case.case_id, file=str(case.label)
            )
            classes, outside = work_labels(native, grid, num_labels)
            if preparation.region_mm is not None:
                region = region_of(native, grid, num_labels, preparation.region_mm)
                classes = np.where(region | (classes < num_labels), region, classes)
            np.save(draft / "label.npy", classes)
            foreground = sample_foreground(classes, num_labels)
            facts["outside_percent"] = outside
        np.save(draft / "foreground.npy", foreground)
        return facts

    return ensure(folder, make)


def content_hashes(manifest: Manifest, target: Target, cache: Path) -> dict[str, str]:
    """Hash of the scans and the mask of each case, from the contents of the files.

    Hashes of single files are those that `prepare` has kept in the cache.
    """
    hashes = {}
    with remembered(digest, cache / DIGESTS) as digest_of:
        for case in manifest.cases:
            paths = [case.images[name] for name in target.contrasts if name in case.images]
            paths += [case.label] if case.label else []
            digests = [scan_digest(path, digest_of=digest_of) for path in paths]
            hashes[case.case_id] = hash_of_text(" ".join(digests), 20)
    return hashes


def read_scans(
    case: Case, target: Target, preparation: Preparation, *, fill: bool = False
) -> Scans:
    """Read a case's contrasts whole, on one intensity scale.

    With `fill` contrasts may be missing, but not all. A missing contrast is 0, like a contrast that
    drops out in training (`ContrastDropout`), and a warning names it.

    Raises:
        DataError: a contrast is missing, broken, or on another grid than the first.
    """
    checkup, volumes = examine(replace(case, label=None), target, None)
    refuse_errors(checkup.problems)
    has_several = len(target.contrasts) > 1  # warnings then begin with the file's name
    warnings = dict.fromkeys(
        f"{f'{Path(item.file).name}: ' if has_several else ''}{item.found} ({item.todo})"
        for item in checkup.problems
    )
    scans = _scans(case, volumes, target, preparation, fill=fill)
    return scans._replace(warnings=(*scans.warnings, *warnings))


def to_work(scans: Scans, target: Target) -> Work:
    """Cut scans to the working box of a target, which need not be the target of `read_scans`.

    Raises:
        DataError: the region of interest misses the scan.
    """
    first, name = scans.first, next(iter(scans.affines))
    if target.size_vox is not None:  # each series has its own grid
        grids = {
            name: sized_grid(scans.values[name].shape, scans.affines[name], target.size_vox)
            for name in target.contrasts
        }
        work = [image_to_work(scans.values[name], grid) for name, grid in grids.items()]
        return Work(np.stack(work), grids[target.contrasts[0]], first.header)
    grid = whole_grid(first.array.shape, first.affine, target.spacing_mm)
    if target.roi is not None:
        case, file = scans.case, str(scans.case.images[name])
        grid = box_of(first.array, grid, target.roi, case_id=case.case_id, file=file)
    elif scans.brain is not None:
        grid = boxed(grid, scans.brain)
    work = [image_to_work(scans.values[name], grid) for name in target.channels]
    return Work(np.stack(work), grid, first.header)


def stored(image: Float[ndarray, "C I J K"]) -> ndarray:
    """Convert an image to the type of the cache: float16, or float32 if values are too large.

    A network is trained on the rounded values, so prediction must round in the same way.
    """
    fits = float(np.abs(image).max()) <= float(np.finfo(np.float16).max)
    return image.astype(np.float16 if fits else np.float32)


def _scans(
    case: Case,
    volumes: Mapping[str, Volume],
    target: Target,
    preparation: Preparation,
    *,
    fill: bool = False,
) -> Scans:
    there = [name for name in target.contrasts if name in case.images]
    absent = [name for name in target.contrasts if name not in case.images]
    if absent and not (fill and there and target.size_vox is None):
        found = f"no {' and no '.join(absent)} image (only {', '.join(case.images) or 'none'})"
        wanted = f"the contrasts {', '.join(target.contrasts)}"
        todo = f"add a column {absent[0]} with the file's path"
        raise DataError(error(found, wanted, todo, case_id=case.case_id))
    raw = {name: volumes[name].array for name in there}
    raw |= {
        name: combined(text, raw)
        for name, text in target.derived.items()
        if all(term.contrast in raw for term in terms_of(text))
    }
    values = {
        name: scaled(
            array, preparation, Place(case.case_id, str(case.images.get(name, name)), name)
        )
        for name, array in raw.items()
    }
    empty = np.zeros_like(values[there[0]])
    values = {name: values.get(name, empty) for name in target.channels}
    affines = {name: _affine(volumes[name], target) for name in there}
    notes = (f"missing contrasts: filled ({', '.join(absent)})",) if absent else ()
    scans = Scans(case, values, volumes[there[0]], affines, notes)
    if preparation.intensity == "zscore_brain" and target.size_vox is None:
        grid = whole_grid(scans.first.array.shape, scans.first.affine, target.spacing_mm)
        scans = scans._replace(brain=brain_box([raw[name] for name in there], grid))
    return scans


def _plain(preparation: Preparation) -> dict[str, object]:
    """Settings as plain values; no key of landmarks without landmarks, as in older entries."""
    settings = asdict(preparation)
    if preparation.landmarks is None:
        del settings["landmarks"]
    return settings


def _affine(volume: Volume, target: Target) -> ndarray:
    if not target.slices_last:
        return volume.affine
    return slices_last(volume.array.shape, volume.affine)


def join_errors(errors: Sequence[DataError | Problem]) -> DataError:
    """Join errors into one that lists all problems, or all texts if an error has no problems."""
    if any(isinstance(one, DataError) and not one.problems for one in errors):
        return DataError([line for one in errors for line in str(one).split("\n")])
    return DataError(
        [
            problem
            for one in errors
            for problem in (one.problems if isinstance(one, DataError) else [one])
        ]
    )


def _by_role(problems: Sequence[Problem], case: Case) -> list[Problem]:
    """Replace each problem's file by its contrast or `label`, since files may be moved later."""
    roles = {str(path): name for name, path in case.images.items()}
    roles |= {str(path): f"label_{name}" for name, path in case.raters.items()}
    if case.label is not None:
        roles[str(case.label)] = "label"
    return [problem._replace(file=roles.get(problem.file, "")) for problem in problems]


def _key(
    case: Case,
    target: Target,
    preparation: Preparation,
    mapping: ClassOfId,
    digest_of: DigestOf,
) -> str:
    """Hash of everything that an entry depends on: file contents, settings, `VERSION`."""

    def digest_of_scan(path: Path) -> str:
        """Digest of a scan, with the digests of single files that the cache has kept."""
        return scan_digest(path, digest_of=digest_of)

    settings = {
        "version": VERSION,
        "case_id": case.case_id,
        "spacing_mm": target.spacing_mm,
        "roi": asdict(target.roi) if target.roi else None,
        # only for pictures, so that older entries keep their hash
        **({"measures": [*target.size_units]} if target.is_flat else {}),
        "preparation": _plain(preparation),
        # with the names, since facts about a label are stored under its name
        "labels": [target.label_names, sorted(mapping.items())] if case.label else None,
        # omitted for the older setting, so that older entries keep their hash
        **({"size_vox": target.size_vox} if target.size_vox else {}),
        **({"slices_last": True} if target.slices_last else {}),
        **({"derived": [*target.derived.values()]} if target.derived else {}),
        **({"sides": target.sides} if case.label and target.sides != "labels" else {}),
        "images": [
            digest_of_scan(case.images[name]) for name in target.contrasts if name in case.images
        ],
        "label": digest_of_scan(case.label) if case.label else None,
    }
    if case.label and case.raters:
        settings["raters"] = {name: digest_of_scan(path) for name, path in case.raters.items()}
    return hash_of_value(settings)
