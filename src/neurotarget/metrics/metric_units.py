"""The metrics of this package with their units; any other metric in rows is a user's own.

Metrics have the names of volumes (`volume_mm3`, `hd95_mm`) until rows are made; rows of pictures
have `area_px` and `hd95_px`, or `area_mm2`.
"""

from neurotarget.size_units import AREAS, PIXELS, VOLUMES, SizeUnits

OF_VOLUMES = {
    "dice": "",
    "precision": "",
    "recall": "",
    "hd95_mm": "mm",
    "assd_mm": "mm",
    "surface_dice": "mm2/mm2",  # share of area; older versions counted voxels, with the unit ""
    "volume_mm3": "mm3",
    "reference_volume_mm3": "mm3",
    "volume_error_mm3": "mm3",
    "volume_error_abs_mm3": "mm3",
    "volume_error_percent": "%",
    "volume_similarity": "",
    "brats_dice": "",  # of regions, with BraTS's rule for empty masks, as the next three
    "brats_hd95_mm": "mm",
    "lesion_dice": "",
    "lesion_hd95_mm": "mm",
    "failed": "",
    "pieces": "",
    "touches_edge": "",
    "swapped": "",  # of labels in pairs
    "reference_pieces": "",
    "reference_touches_edge": "",
    "reference_swapped": "",
    "reference_borders_on_ignored": "",  # of cases that have ignored voxels
    "rater_dice": "",  # of a further rater's mask, whose name follows after an @
}


def name_in(metric: str, units: SizeUnits) -> str:
    """Return the name of a metric in these units; a user's own metric keeps its name.

    `volume_mm3` becomes `area_px` in pixels. The name of a rater after an `@` does not change.
    """
    name, at, rater = metric.partition("@")
    if name in OF_VOLUMES:
        name = units.named(name.replace("volume", units.noun))
    return f"{name}{at}{rater}"


def units_in(units: SizeUnits) -> dict[str, str]:
    """Return the unit of each metric, by its name in these units, in the order of a case's rows."""
    across = units.length if units.noun == "area" else "mm2"
    own = {"mm3": units.unit, "mm": units.length, "mm2/mm2": f"{across}/{across}"}
    return {name_in(name, units): own.get(unit, unit) for name, unit in OF_VOLUMES.items()}


# volumes come first for the order, and last for the units of shared names
UNITS = units_in(VOLUMES) | units_in(AREAS) | units_in(PIXELS) | units_in(VOLUMES)
OF_OUTCOMES = (
    *("probability", "number", "risk"),
    *("correct", "log_loss", "brier", "error", "error_abs"),
)
OURS = ("mean_", "reference_")  # beginnings of further names: means of contrasts, of references


def is_own(metric: str) -> bool:
    """Return True if a metric is a user's own, judged from its name.

    Names that begin with `mean_` or `reference_`, or contain an `@`, are never a user's own.
    """
    if metric in OF_OUTCOMES:
        return False
    return metric not in UNITS and not metric.startswith(OURS) and "@" not in metric
