"""A simulated MR scanner that writes DICOM series."""

from types import SimpleNamespace

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

ORIGIN = np.array([-31.5, 12.25, 40.0])  # LPS mm
BETWEEN_ROWS, BETWEEN_COLUMNS, GAP = 0.9, 1.1, 2.5  # mm
OBLIQUE = ([0.96, 0.28, 0.0], [-0.168, 0.576, 0.8])  # unit vectors at right angles
ROWS, COLUMNS = 4, 6


def scanner() -> SimpleNamespace:
    """A made-up MR scanner: its geometry, `slice_of` a number, `write` for a folder of slices."""
    return SimpleNamespace(
        origin=ORIGIN,
        between_rows=BETWEEN_ROWS,
        between_columns=BETWEEN_COLUMNS,
        gap=GAP,
        oblique=OBLIQUE,
        rows=ROWS,
        columns=COLUMNS,
        slice_of=slice_of,
        write=write,
    )


def slice_of(number, *, series="1", directions=OBLIQUE, gap=GAP, name="T1 MPRAGE"):
    """One MR slice; its voxels count up through the volume."""
    row, column = (np.array(direction) for direction in directions)
    position = ORIGIN + gap * number * np.cross(row, column)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    slice_ = Dataset()
    slice_.file_meta = meta
    slice_.SOPClassUID, slice_.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    slice_.StudyInstanceUID, slice_.SeriesInstanceUID = "1.2.3", f"1.2.3.{series}"
    slice_.Modality, slice_.SeriesDescription = "MR", name
    slice_.InstanceNumber = 1
    slice_.Rows, slice_.Columns = ROWS, COLUMNS
    slice_.PixelSpacing = [BETWEEN_ROWS, BETWEEN_COLUMNS]
    slice_.ImageOrientationPatient = [float(f"{value:.9f}") for value in (*row, *column)]
    slice_.ImagePositionPatient = [float(f"{value:.9f}") for value in position]
    slice_.SamplesPerPixel, slice_.PhotometricInterpretation = 1, "MONOCHROME2"
    slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit = 16, 16, 15
    slice_.PixelRepresentation = 0
    voxels = np.arange(ROWS * COLUMNS) + ROWS * COLUMNS * number
    slice_.PixelData = voxels.astype(np.uint16).tobytes()
    return slice_


def write(folder, slices):
    folder.mkdir(parents=True, exist_ok=True)
    # names that say nothing of the order, without a suffix
    for number, one in enumerate(slices):
        one.save_as(folder / f"IM{(number * 7) % 11:03d}{number}", enforce_file_format=True)
    return folder
