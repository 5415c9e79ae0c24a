"""Scans of the experiments qsm and swi: simulated with known truth, or the user's own."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Bool, Float
from numpy import ndarray

from neurotarget.data.formats.formats import with_header
from neurotarget.data.scans.volume import read_volume
from neurotarget.maps.gre import GRE, Acquisition, read_acquisition
from neurotarget.maps.gre_bids import scan_acquisitions
from neurotarget.metrics.susceptibility import surroundings
from neurotarget.phantom.dentate.cohort import simulated
from neurotarget.phantom.dentate.plan import QSMPlan
from neurotarget.problems import DataError, error, errors_of
from neurotarget.process.exit_codes import print_problems

LABELS = {"dentate_left": 1, "dentate_right": 2}
RING_MM = (2.0, 5.0)  # inner and outer distance of the surroundings of a vein
VEIN_PPM = 0.15  # simulated veins have 0.19, nuclei except the dentate at most 0.131

Mask = Bool[ndarray, "I J K"]


class Scan(NamedTuple):
    """One scan in memory, with the true susceptibility if it is known.

    Masks and truth are on the voxel grid of `gre`. A scan of a user has no structures and no veins;
    it has a truth only if derivatives contain a reference map.
    """

    case_id: str
    subject_id: str
    gre: GRE
    truth_ppm: Float[ndarray, "I J K"] | None
    structures: Mapping[str, Mask]  # nuclei
    veins: Mask | None
    around: Mask | None  # the surroundings of the veins


class Failed(NamedTuple):
    """A scan that could not be read; its `reason` may begin with its id."""

    case_id: str
    reason: str


def simulated_scans(plan: QSMPlan, per_site: int, *, mask: str) -> Iterator[Scan]:
    """Simulate the scans of the first subjects of each site, one scan in memory at a time.

    Args:
        plan: cohort with its sites; its seeds make the scans the same in every run.
        per_site: number of subjects per site.
        mask: "given" uses the simulated brain mask, "auto" finds a mask in the magnitude.
    """
    counts: dict[str, int] = {}
    for number, subject in enumerate(plan.subjects()):
        counts[subject.site] = counts.get(subject.site, 0) + 1
        if counts[subject.site] <= per_site:
            yield _simulated(plan, number, subject.case_id, mask)


def read_scans(folder: Path, *, suffix: str | None, phase_scale: str) -> Iterator[Scan | Failed]:
    """Scans of a BIDS folder with reference maps of its derivatives, one scan in memory at a time.

    Args:
        folder: root of the data set.
        suffix: MEGRE, GRE or T2starw; None takes all.
        phase_scale: unit of stored phase, as in `neurotarget.physics.phase.to_radians`.

    Yields:
        A scan, or the reason why it could not be read. Scans with wrong names or sidecars come
        last.

    Raises:
        DataError: there is no folder, or no gradient-echo scan in it.
    """
    if not folder.is_dir():
        raise DataError(f"data.root: found no folder {folder}; give a BIDS data set")
    listing = scan_acquisitions(folder, suffix=suffix)
    errors = errors_of(listing.problems)
    if not listing.acquisitions:
        raise DataError(errors)
    print_problems(listing.problems)
    for acquisition in listing.acquisitions:
        yield _read(acquisition, phase_scale)
    for case_id in dict.fromkeys(problem.case_id for problem in errors):
        reasons = [str(problem) for problem in errors if problem.case_id == case_id]
        yield Failed(case_id, ". ".join(reasons))


def _read(acquisition: Acquisition, phase_scale: str) -> Scan | Failed:
    try:
        gre = read_acquisition(acquisition, phase_scale=phase_scale)
        truth = None
        if acquisition.reference is not None:
            truth = read_volume(acquisition.reference, case_id=acquisition.case_id).array
            _check_truth(acquisition, truth, gre)
    except DataError as error:
        return Failed(acquisition.case_id, ". ".join(str(error).splitlines()))
    subject = acquisition.case_id.split("_")[0]
    return Scan(acquisition.case_id, subject, gre, truth, {}, None, None)


def _check_truth(acquisition: Acquisition, truth: ndarray, gre: GRE) -> None:
    if truth.shape != gre.magnitude.shape[1:]:
        found = f"a reference map of {truth.shape} voxels"
        wanted, todo = f"the scan's {gre.magnitude.shape[1:]}", "resample it to the scan"
        place = {"case_id": acquisition.case_id, "file": acquisition.reference}
        raise DataError(error(found, wanted, todo, **place))


def _simulated(plan: QSMPlan, number: int, case_id: str, mask: str) -> Scan:
    site, scan = simulated(plan, number)
    gre = GRE(
        magnitude=scan.magnitude,
        phase_rad=scan.phase_rad,
        te_s=scan.te_s,
        field_t=scan.field_t,
        spacing_mm=scan.spacing_mm,
        b0=scan.b0,
        affine=scan.affine,
        header=with_header(scan.chi_ppm, scan.affine).header,
        mask=scan.mask if mask == "given" else None,
        phase_scale="radians, as simulated",
        notes=(),
    )
    structures = {name: scan.label == value for name, value in LABELS.items()}
    veins = (scan.chi_ppm > VEIN_PPM) & (scan.label == 0) & scan.mask
    around = surroundings(veins, scan.mask, scan.spacing_mm, RING_MM)
    name = f"{case_id}_{site.name}"
    return Scan(name, case_id, gre, scan.chi_ppm, structures, veins, around)
