"""Inputs of the tested commands: arguments, manifests, files, and scans in other formats."""

import struct
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from faults.bad_input import Write

LINT = ["neurotarget", "lint", "data/manifest.tsv", "target=ball"]
PREPARE = ["neurotarget", "prepare", "data/manifest.tsv", "target=ball", "cache=other"]
PREDICT = ["predict.py", "run=run", "input=data/manifest.tsv", "output=out"]
PREDICT_SCANS = ["predict.py", "run=run", "input=scans", "output=out"]
# its target is typed by the user, as nothing that a run records may name a folder of configs
RESUME = ["train.py", "--config-dir=conf", "resume=run", "trainer.max_epochs=3"]
RESUME_SWEEP = [*RESUME[:2], "resume=sweep"]
STUDY = ["neurotarget", "study", "rows=run", "output=s"]
COMPARE = ["neurotarget", "compare", "run", "wandb=disabled", "output=c"]
HEAD = "case_id\tsubject_id\tt1\tlabel\tage\tsex"  # of the balls' manifest
VOXELS = np.arange(512, dtype=np.float32).tobytes()
NRRD = {
    "type": "float",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "8 8 8",
    "space directions": "(1,0,0) (0,1,0) (0,0,1)",
    "space origin": "(0,0,0)",
    "endian": "little",
    "encoding": "raw",
}
META = {
    "ObjectType": "Image",
    "NDims": "3",
    "DimSize": "8 8 8",
    "ElementSpacing": "1 1 1",
    "ElementType": "MET_FLOAT",
    "ElementByteOrderMSB": "False",
    "TransformMatrix": "1 0 0 0 1 0 0 0 1",
    "Offset": "0 0 0",
    "ElementDataFile": "LOCAL",
}


def written(name: str, content: bytes | str) -> Write:
    """Writes a file of a working folder."""

    def write(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        raw = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(raw)

    return write


def nrrd_header(**changes: str) -> bytes:
    """Header of an NRRD file; a blank in the name of a field is an underscore."""
    fields = NRRD | {key.replace("_", " "): value for key, value in changes.items()}
    return "\n".join(["NRRD0005", *(f"{key}: {value}" for key, value in fields.items())]).encode()


def nrrd(**changes: str) -> bytes:
    """An NRRD file with its voxels."""
    return nrrd_header(**changes) + b"\n\n" + VOXELS


def meta_header(**changes: str) -> bytes:
    """Header of a MetaImage file."""
    return "".join(f"{key} = {value}\n" for key, value in (META | changes).items()).encode()


def meta(**changes: str) -> bytes:
    """A MetaImage file with its voxels."""
    return meta_header(**changes) + VOXELS


def mgh(
    *, version: int = 1, sides: tuple = (8, 8, 8, 1), kind: int = 3, side_mm: float = 1.0
) -> bytes:
    """An MGH file."""
    head = struct.pack(">7i", version, *sides, kind, 0)
    head += struct.pack(">h3f", 1, side_mm, side_mm, side_mm)
    head += struct.pack(">12f", -1, 0, 0, 0, 0, -1, 0, 1, 0, 0, 0, 0)
    return head.ljust(284, b"\0") + np.arange(512, dtype=">f4").tobytes()


def dicom_slice(number: int, study: str, series: str) -> Dataset:
    """One slice of a series of 16 × 16 pixels."""
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = MRImageStorage
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = generate_uid()
    one.StudyInstanceUID, one.SeriesInstanceUID = study, series
    one.Modality, one.PatientID, one.InstanceNumber = "MR", "nobody", number
    one.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    one.ImagePositionPatient = [0, 0, number]
    one.PixelSpacing, one.SliceThickness = [1, 1], 1
    one.Rows = one.Columns = 16
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 0
    one.PixelData = np.full(256, 100 + number, np.uint16).tobytes()
    return one
