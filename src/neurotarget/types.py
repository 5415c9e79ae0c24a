"""Records shared by the whole package: case, manifest, row, region and target.

Lengths are in mm and volumes in mm³; names end in their unit (`_mm`, `_mm3`, `_vox`, `_s`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from neurotarget.anatomy.structures import pairs_of, scattered
from neurotarget.fields import is_list, read_fields
from neurotarget.hypothesis import Hypothesis, Published
from neurotarget.image_score import ImageScore
from neurotarget.label_regions import named_members, sums_of
from neurotarget.levels import CodeBook
from neurotarget.outcome import Outcome
from neurotarget.printable import file_name
from neurotarget.problems import DataError
from neurotarget.quantity import MEAN, NUMBER, PROBABILITY, Measure
from neurotarget.size_units import AREAS, PIXELS, VOLUMES, SizeUnits
from neurotarget.target_fields import RESERVED, TARGET_FIELDS, Roi, Triple, TripleVox
from neurotarget.target_relations import relation_errors

Covariate = str | float | None

FAILED_DICE = 0.1  # of a near-complete failure; deepPGSegNet, doi:10.3389/fendo.2024.1338743
FAILED = f"no mask, an empty one where the reference is not empty, or a Dice below {FAILED_DICE:g}"


def has_failed(dice: float, *, is_lost: bool) -> bool:
    """Return whether a mask failed; rows, tables, pages and sweeps all use this definition.

    `is_lost`: there is no mask, or it is empty where the reference is not. A NaN Dice (the label is
    in neither mask, or there is no reference) is no failure. Arguments may be arrays or tables.

    Source: the threshold `FAILED_DICE`, deepPGSegNet 2024, doi:10.3389/fendo.2024.1338743.
    """
    return is_lost | (dice < FAILED_DICE)


@dataclass(frozen=True, slots=True)
class Case:
    """One scan session with the paths of its files; `data.scans` reads the voxels."""

    case_id: str
    subject_id: str  # splits are sampled per subject, never per case
    images: Mapping[str, Path]  # contrast → file, in the target's order
    label: Path | None = None  # reference mask, if there is one
    split: str | None = None  # train | val | test, if the data set defines it
    fold: int | None = None
    covariates: Mapping[str, Covariate] = field(default_factory=dict)
    raters: Mapping[str, Path] = field(default_factory=dict)  # further masks, by rater

    def __post_init__(self) -> None:
        # names come from users' files and tables, and are used in names of files
        object.__setattr__(self, "case_id", file_name(self.case_id))
        object.__setattr__(self, "subject_id", file_name(self.subject_id))


@dataclass(frozen=True, slots=True)
class Manifest:
    """The validated table of cases, which alone determines the cases of a data set."""

    cases: tuple[Case, ...]
    source: Path  # file or folder that it was read from
    label_ids: Mapping[str, int] | None = None  # label names of the data set, if it has any


class Row(NamedTuple):
    """One score of one label of one case; every table is made from rows."""

    case_id: str
    subject_id: str
    split: str
    label: str
    metric: str
    value: float  # NaN where undefined
    unit: str  # "" for a ratio


@dataclass(frozen=True, slots=True)
class Target:
    """Description of a target: grid, labels, outcomes, hypotheses; a file in `conf/target/`.

    A target has structures (`labels`), `outcomes` of a whole case, or both.
    `labels` maps each name to its id in label files, or to several ids that are merged; internally
    label i of this mapping is class i + 1 and 0 is background. Files are written with the first id.
    A list names structures and groups of FreeSurfer's table in place of it, `[synthseg, -CSF]`; the
    table then also states pairs and pieces that are not given (`anatomy.structures`).
    `background_ids` are further ids to read as background, or the string `others` for every id that
    is not named. Voxels of `ignore_ids` have no known label: they are neither reference nor
    prediction, in the loss and in every score. Names consist of letters, digits, `_`, `-` and `.`,
    since they are used for files and columns.

    Pictures (PNG, JPEG, films) have two dimensions: with `spacing_px` all sizes and distances are
    in pixels of the file; with `dimensions: 2` and `spacing_mm` in mm² and mm of the plane.

    A label normally is one connected piece, or as many as `pieces` states (None: any number).
    Masks of another number are flagged, and post-processing may drop the smallest.

    `regions` are unions of labels, by names or ids, that may overlap: each is scored as a label is.
    `derived` contrasts are sums and differences of `contrasts`, voxel by voxel, that a network sees
    after these.

    With `size_vox` in place of a spacing, every scan is resampled to this number of voxels; the
    contrasts of a case are then series that may have grids of their own. This is for outcomes
    alone: sizes of structures would be lost.

    With an `image_score`, a segmentation of one label also predicts the only outcome, which is
    binary: whether a film has the finding. Cases without a value get the value of their mask.
    """

    name: str
    contrasts: tuple[str, ...]
    labels: Mapping[str, tuple[int, ...]]
    spacing_mm: Triple = ()  # with spacing_px, the same in voxels that count as 1 mm
    patch_vox: TripleVox = ()
    pairs: tuple[tuple[str, str], ...] = ()  # left, right: a flip swaps them
    background_ids: tuple[int, ...] = ()
    roi: Roi | None = None
    volume_range_mm3: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    surface_tolerance_mm: float = 1.0
    hypotheses: tuple[Hypothesis, ...] = ()
    question: str = ""
    sides: Literal["labels", "split"] = "labels"  # split: each pair is one class, split afterwards
    units: Mapping[str, str] = field(default_factory=dict)  # by contrast, such as qsm: ppm
    published: tuple[Published, ...] = ()
    ignore_ids: tuple[int, ...] = ()  # in addition to the label `ignore` of a dataset.json
    levels: CodeBook = field(default_factory=dict)  # codes of covariates: sex: {0: M, 1: F}
    acceptable: Mapping[str, float] = field(default_factory=dict)  # see ACCEPTABLE
    outcomes: tuple[Outcome, ...] = ()
    dimensions: Literal[2, 3] = 3  # 2: pictures, and slices of which only the plane is measured
    spacing_px: tuple[float, float] | None = None  # of pictures, in pixels of their files
    area_range_px: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    area_range_mm2: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    surface_tolerance_px: float = 1.0
    size_vox: TripleVox | None = None  # of the working grid, in place of a spacing
    slices_last: bool = False  # with size_vox: the axis across the slices is K in every plane
    pieces: Mapping[str, int | None] = field(default_factory=dict)  # see `expected_pieces`
    derived: Mapping[str, str] = field(default_factory=dict)  # contrast: t1ce - t1
    regions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # unions of labels
    image_score: ImageScore | None = None  # the outcome by the probabilities of the label

    def __post_init__(self) -> None:
        self._complete_grid()
        by_name = is_list(self.labels)
        wrong = read_fields(self, TARGET_FIELDS)
        if by_name and not wrong:
            self._complete_structures()
        if not wrong:
            members = named_members(self.regions, self.labels)
            object.__setattr__(self, "regions", members)
        # relations between fields are checked only if each field is valid
        wrong = wrong or [text for text, occurs in relation_errors(self) if occurs]
        if wrong:
            raise DataError(
                f"target {self.name}: {'; '.join(wrong)}; correct the target's settings"
            )

    def _complete_structures(self) -> None:
        """Add pairs, and labels with any number of pieces, from the table of structures."""
        object.__setattr__(self, "pairs", self.pairs or pairs_of(self.label_names))
        many = dict.fromkeys(scattered(self.labels))
        object.__setattr__(self, "pieces", {**many, **self.pieces})

    def _complete_grid(self) -> None:
        """Complete the grid of 2-D images: a third side of 1, and 1 mm per pixel of a file."""
        if self.spacing_px is not None:
            object.__setattr__(self, "dimensions", 2)
            if _count(self.spacing_px) == 2:
                object.__setattr__(self, "spacing_mm", (*self.spacing_px, 1.0))
        elif self.dimensions == 2 and _count(self.spacing_mm) in (2, 3):
            object.__setattr__(self, "spacing_mm", (*self.spacing_mm[:2], 1.0))
        for name in ("size_vox", "patch_vox"):
            sides = getattr(self, name)
            if self.dimensions == 2 and _count(sides) == 2:
                object.__setattr__(self, name, (*sides, 1))
        if self.size_vox is not None:  # no distance is measured on this grid
            object.__setattr__(self, "spacing_mm", self.spacing_mm or (1.0, 1.0, 1.0))
            object.__setattr__(self, "patch_vox", self.patch_vox or self.size_vox)

    @property
    def quantities(self) -> dict[str, Measure]:
        """Quantities that are measured in each case, by name; the first is the main one.

        Structures have a volume (an area in pictures) and the mean of each contrast with a unit,
        outcomes a probability (of each class) or a number.
        """
        many = []
        if self.labels:
            sizes = {"labels": self.label_names, "regions": self.all_regions}
            own = self.size_units
            many = [Measure(own.noun, own.unit, own.size, **sizes)]
            many += [Measure(f"{MEAN}{one}", unit, f"{MEAN}{one}", **sizes)
                     for one, unit in self.units.items()]  # fmt: skip
        classes = [one for one in self.outcomes if one.quantity == PROBABILITY]
        numbers = [one for one in self.outcomes if one.quantity == NUMBER]
        owners = {label: one.name for one in classes for label in one.labels}
        if classes:
            many.append(Measure(PROBABILITY, "", PROBABILITY, tuple(owners), owners=owners))
        if numbers:
            names = tuple(one.name for one in numbers)
            many.append(Measure(NUMBER, numbers[0].unit, NUMBER, names))
        return {one.name: one for one in many}

    @property
    def roles(self) -> set[str]:
        """Columns of a manifest that are no covariates."""
        return {*RESERVED, *self.contrasts}

    @property
    def outcome_labels(self) -> tuple[str, ...]:
        """Labels of the rows of all outcomes."""
        return tuple(label for one in self.outcomes for label in (one.name, *one.labels))

    @property
    def is_flat(self) -> bool:
        """Whether images have two dimensions; their third side is 1."""
        return self.dimensions == 2

    @property
    def size_units(self) -> SizeUnits:
        """Names and units of sizes and distances."""
        if not self.is_flat:
            return VOLUMES
        return AREAS if self.spacing_px is None else PIXELS

    @property
    def size_ranges(self) -> Mapping[str, tuple[float, float]]:
        """Plausible sizes of labels, in the unit of `size_units`."""
        return getattr(self, self.size_units.range_field)

    @property
    def surface_tolerance(self) -> float:
        """Tolerated distance between surfaces, in the unit of length of `size_units`."""
        return self.surface_tolerance_mm if self.spacing_px is None else self.surface_tolerance_px

    @property
    def expected_pieces(self) -> dict[str, int | None]:
        """Connected pieces that each label normally has: 1 unless stated, None if any number."""
        return {label: self.pieces.get(label, 1) for label in self.labels}

    @property
    def label_names(self) -> tuple[str, ...]:
        """Foreground labels in class order: class i + 1 is `label_names[i]`."""
        return tuple(self.labels)

    @property
    def channels(self) -> tuple[str, ...]:
        """Contrasts that a network sees: those of files, then the derived ones."""
        return (*self.contrasts, *self.derived)

    @property
    def all_regions(self) -> dict[str, tuple[str, ...]]:
        """Labels that are also studied together: `regions`, left, right, each pair, total."""
        own = {name: parts for name, parts in self.regions.items() if name not in self.labels}
        return own | sums_of(self.label_names, self.pairs)

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """Labels of each label (itself) and of each region."""
        return {label: (label,) for label in self.labels} | self.all_regions

    @property
    def num_labels(self) -> int:
        """Number of classes including background."""
        return len(self.labels) + 1

    @property
    def ignored_class(self) -> int:
        """Class of ignored voxels in label maps, the number after the last class of a network."""
        return self.num_labels

    @property
    def file_ids(self) -> tuple[int, ...]:
        """Ids in label files by class, background first."""
        return (0, *(ids[0] for ids in self.labels.values()))

    @property
    def swap(self) -> tuple[int, ...]:
        """New class of each class after a left/right mirror."""
        index = {name: number for number, name in enumerate(self.labels, start=1)}
        mirror = list(range(self.num_labels))
        for left, right in self.pairs:
            mirror[index[left]], mirror[index[right]] = index[right], index[left]
        return tuple(mirror)


def _count(value: object) -> int:
    """Return the number of items of a list; 0 for other values."""
    return len(value) if isinstance(value, Sequence) and not isinstance(value, str) else 0
