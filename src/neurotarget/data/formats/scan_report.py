"""Report of a file's problems, and checks of affines that find problems."""

import numpy as np
from numpy import ndarray

from neurotarget.problems import DataError, Problem

GUESSED = b"orientation unknown, sform of the source"  # header description of our own maps


class Report:
    """Problems of one file, collected while it is read.

    Args:
        case_id: of the case, for messages.
        file: path as text, for messages.
    """

    def __init__(self, case_id: str, file: str) -> None:
        self.case_id, self.file = case_id, file
        self.problems: list[Problem] = []

    def error(self, found: str, wanted: str, todo: str) -> None:
        """Add a problem that stops the command."""
        self.problems.append(Problem("error", self.case_id, self.file, found, wanted, todo))

    def warning(self, found: str, wanted: str, todo: str) -> None:
        """Add a problem that does not stop the command."""
        self.problems.append(Problem("warning", self.case_id, self.file, found, wanted, todo))

    def refused(self, found: str, wanted: str, todo: str) -> DataError:
        """Make, but not raise, the exception for a file that cannot be read any further.

        Problems that were added before are not in the exception; the caller joins them.
        """
        return DataError(Problem("error", self.case_id, self.file, found, wanted, todo))

    def no_orientation(self, reason: str) -> None:
        """Add the problem that the file does not define left and right."""
        self.warning(
            f"no orientation ({reason})",
            "a known left and right",
            "left and right are a guess; export it again from DICOM, or set the sform",
        )


def in_mm(affine: ndarray, unit_mm: float) -> ndarray:
    """Convert an affine to mm.

    Args:
        affine: (4, 4), in the unit of a header.
        unit_mm: length of that unit: 1000 for metres, 0.001 for microns.
    """
    scaled = np.array(affine, dtype=np.float64)
    scaled[:3] *= unit_mm
    return scaled


def invertible(affine: ndarray) -> bool:
    """Return whether an affine (4, 4) is finite and its three axes are independent."""
    axes = affine[:3, :3]
    if not np.isfinite(affine).all():
        return False
    lengths = np.linalg.norm(axes, axis=0)
    # volume of the unit cell over that of its bounding brick: 0 if two axes coincide
    return bool(lengths.min() > 0 and abs(np.linalg.det(axes / lengths)) > 1e-4)


def corners_apart(shape: tuple[int, ...], a: ndarray, b: ndarray) -> tuple[float, float]:
    """Return the largest distance of a box's corners under two affines, in mm and voxels of `a`."""
    last = np.array(shape) - 1
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * last
    apart = (a - b)[:3] @ np.column_stack([corners, np.ones(8)]).T
    steps = np.linalg.solve(a[:3, :3], apart)
    return float(np.linalg.norm(apart, axis=0).max()), float(np.abs(steps).max())
