"""The metrics of this program with their units; every other metric in rows is a user's own."""

UNITS = {
    "dice": "",
    "precision": "",
    "recall": "",
    "hd95_mm": "mm",
    "assd_mm": "mm",
    "surface_dice": "mm2/mm2",  # of area: rows of older versions have "", as they counted voxels
    "volume_mm3": "mm3",
    "reference_volume_mm3": "mm3",
    "volume_error_mm3": "mm3",
    "volume_error_abs_mm3": "mm3",
    "volume_error_percent": "%",
    "volume_similarity": "",
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
OURS = ("mean_", "reference_")  # beginnings of further names: means of contrasts, of references


def is_own(metric: str) -> bool:
    """Whether a metric is a user's own, by its name."""
    return metric not in UNITS and not metric.startswith(OURS) and "@" not in metric
