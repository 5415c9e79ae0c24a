"""Reading of PNG and JPEG files as scans of one slice.

A picture is stored as (I, J, 1): columns from left to right, rows from top to bottom. It counts as
a slice in radiological view, so the patient's right is on the left of the picture. A picture does
not state the size of a pixel in the body, so a pixel counts as 1 mm.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Integer
from numpy import ndarray
from PIL import Image, ImageOps

from neurotarget.data.formats.bounded import check_shape
from neurotarget.data.formats.scan_report import Report
from neurotarget.files.reading import opened
from neurotarget.files.writing import written
from neurotarget.problems import DataError

PICTURE = (".png", ".jpg", ".jpeg")
FORMATS = ("PNG", "JPEG")
MOST_PIXELS = 1 << 28  # the largest detectors of radiography have 1 << 25
GREY = ("1", "L", "I;16", "I;16B", "I;16L", "I", "F")  # Pillow's modes of one number per pixel
TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
PIXEL_BYTES = 4


def read_picture(path: Path, report: Report) -> tuple[ndarray, ndarray]:
    """Read a grey picture: voxels (I, J, 1) and an affine (4, 4) of 1 mm per pixel to RAS+.

    A picture with equal red, green and blue is grey. The EXIF orientation of a photograph is
    applied.

    Raises:
        DataError: the picture is coloured or transparent, or has too many pixels.
        OSError, SyntaxError, ValueError: the file cannot be read.
    """
    with opened(path) as stream:
        # larger pictures than Pillow's own limit are allowed: sizes are checked here
        try:
            image = Image.open(stream, formats=FORMATS)
        except Image.DecompressionBombError as error:
            raise _too_large(str(error), report) from error
        columns, rows = image.size
        if columns * rows > MOST_PIXELS:
            raise _too_large(f"{columns} × {rows} pixels", report)
        check_shape((columns, rows), PIXEL_BYTES, report)
        try:
            image.load()
        except SyntaxError as error:  # from a broken chunk of PNG
            raise ValueError(str(error)) from error
    return _grey(ImageOps.exif_transpose(image), report).T[..., None], TO_RAS


def save_picture(array: Integer[ndarray, "I J K"], path: Path) -> None:
    """Write a map of one slice atomically as PNG in 8 bits, or in 16 bits for values above 255.

    Raises:
        ValueError: the map has several slices along the third axis.
    """
    if array.shape[2] != 1:
        raise ValueError(f"save_picture: got {array.shape} voxels, wanted one slice; write NIfTI")
    kind = np.uint8 if array.max(initial=0) <= 255 else np.uint16
    picture = Image.fromarray(np.ascontiguousarray(array[..., 0].T.astype(kind)))
    with written(path) as draft:
        picture.save(draft, format="PNG")


def _grey(image: Image.Image, report: Report) -> ndarray:
    """Return the values (rows, columns) of a picture with one number per pixel."""
    if image.mode in GREY:
        array = np.asarray(image)
        return array.astype(np.uint8) if array.dtype == bool else array
    channels = np.asarray(image.convert("RGBA"))
    if not (channels[..., 3] == 255).all():
        raise report.refused("a transparent picture", "opaque pixels", "save it without alpha")
    if not (channels[..., :1] == channels[..., :3]).all():
        wanted = "one grey value per pixel"
        raise report.refused(f"a coloured picture ({image.mode})", wanted, "save it in grey")
    return channels[..., 0]


def _too_large(found: str, report: Report) -> DataError:
    wanted = f"at most {MOST_PIXELS} pixels"
    return report.refused(found, wanted, "cut it to what is to be read, or make it smaller")
