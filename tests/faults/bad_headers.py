"""Bad inputs: scans with headers or bytes that no scanner writes."""

import gzip
import os
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
from pydicom.uid import generate_uid

from faults.bad_input import Bad, Write
from faults.input_files import (
    LINT,
    PREDICT,
    PREDICT_SCANS,
    PREPARE,
    VOXELS,
    dicom_slice,
    meta,
    meta_header,
    mgh,
    nrrd,
    nrrd_header,
    written,
)

SCAN = "data/sub-00.nii.gz"
# name of a fault, offset in a NIfTI-1 header, format, values
FIELDS: tuple[tuple[str, int, str, tuple], ...] = (
    ("size of header 0", 0, "<i", (0,)),
    ("size of header 349", 0, "<i", (349,)),
    ("no dimension", 40, "<h", (0,)),
    ("8 dimensions", 40, "<h", (8,)),
    ("-1 dimensions", 40, "<h", (-1,)),
    ("a side of 0", 42, "<h", (0,)),
    ("a side of -24", 42, "<h", (-24,)),
    ("sides of 32767", 42, "<hhh", (32767, 32767, 32767)),
    ("a side more than the data has", 46, "<h", (25,)),
    ("5 volumes", 40, "<hhhhh", (4, 24, 24, 24, 5)),
    ("type 0", 70, "<h", (0,)),
    ("type 9999", 70, "<h", (9999,)),
    ("type RGB", 70, "<hh", (128, 24)),
    ("type complex", 70, "<hh", (32, 64)),
    ("voxels of 0 mm", 80, "<fff", (0.0, 0.0, 0.0)),
    ("voxels of NaN mm", 80, "<f", (float("nan"),)),
    ("voxels of infinite mm", 80, "<f", (float("inf"),)),
    ("offset of voxels beyond the file", 108, "<f", (1e9,)),
    ("offset of voxels NaN", 108, "<f", (float("nan"),)),
    ("offset of voxels negative", 108, "<f", (-1000.0,)),
    ("slope infinite", 112, "<ff", (float("inf"), 0.0)),
    ("slope NaN intercept infinite", 112, "<ff", (1.0, float("inf"))),
    ("slope beyond float32", 112, "<ff", (3e38, 3e38)),
    ("no magic", 344, "<4s", (b"\0\0\0\0",)),
    ("magic of a pair", 344, "<4s", (b"ni1\0",)),
)
# name of a fault, rows of an sform
AFFINES: tuple[tuple[str, list[list[float]]], ...] = (
    ("affine of zeros", [[0] * 4] * 3),
    ("affine of NaN", [[float("nan")] * 4] * 3),
    ("affine singular", [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0]]),
    ("affine of 1e30 mm", [[1e30, 0, 0, 0], [0, 1e30, 0, 0], [0, 0, 1e30, 0]]),
    ("affine of 1e-30 mm", [[1e-30, 0, 0, 0], [0, 1e-30, 0, 0], [0, 0, 1e-30, 0]]),
    ("voxels of 0.001 mm", [[1e-3, 0, 0, 0], [0, 1e-3, 0, 0], [0, 0, 1e-3, 0]]),
    ("voxels of 500 mm", [[500, 0, 0, 0], [0, 500, 0, 0], [0, 0, 500, 0]]),
    ("origin infinite", [[1, 0, 0, float("inf")], [0, 1, 0, 0], [0, 0, 1, 0]]),
)


def headers() -> Iterator[Bad]:
    """Every fault of a header, met by lint and by prediction."""
    for name, write in _faults():
        for command, argv in (
            ("lint", LINT),
            ("predict", PREDICT),
        ):
            warned = LEFT_OUT if name in UNFETCHED and command == "lint" else ""
            is_read = name in READ
            yield Bad(f"{command}: {name}", argv, write, "sub-00", accepted=is_read, warned=warned)
    for name, write in _faults():
        yield Bad(
            f"prepare: mask, {name}",
            PREPARE,
            _on_mask(write),
            "sub-00",
            accepted=name in READ,
            warned=LEFT_OUT if name in UNFETCHED else "",
        )
    yield from _foreign_formats()


# what stands for a file that was not fetched: a training goes on with the other cases
UNFETCHED = frozenset(("a pointer of git-lfs", "a link to itself", "a link to nothing"))
LEFT_OUT = "the case is left out"
# what may as well be read: it can mean one thing only
READ = frozenset(
    (
        "-1 dimensions",
        "5 volumes",
        "8 dimensions",
        "bytes behind the voxels",
        "magic of a pair",
        "no dimension",
        "no magic",
        "offset of voxels NaN",
        "offset of voxels negative",
        "size of header 0",
        "size of header 349",
        "type RGB",
        "type complex",
        "voxels of 0 mm",
        "voxels of NaN mm",
        "voxels of infinite mm",
    )
)


def _faults() -> Iterator[tuple[str, Write]]:
    for name, offset, form, values in FIELDS:
        yield name, _with_field(offset, form, values)
    for name, rows in AFFINES:
        yield name, _with_affine(rows)
    yield from _bytes()
    yield from _voxels()


def _with_field(offset: int, form: str, values: tuple) -> Write:
    def write(folder: Path) -> None:
        raw = bytearray(gzip.decompress((folder / SCAN).read_bytes()))
        struct.pack_into(form, raw, offset, *values)
        (folder / SCAN).write_bytes(gzip.compress(bytes(raw), 1))

    return write


def _with_affine(rows: list[list[float]]) -> Write:
    """Both the sform and the voxel sides that go with it."""

    def write(folder: Path) -> None:
        raw = bytearray(gzip.decompress((folder / SCAN).read_bytes()))
        struct.pack_into("<hh", raw, 252, 0, 1)  # the sform alone
        for number, row in enumerate(rows):
            struct.pack_into("<4f", raw, 280 + 16 * number, *row)
        (folder / SCAN).write_bytes(gzip.compress(bytes(raw), 1))

    return write


def _bytes() -> Iterator[tuple[str, Write]]:
    def changed(change: Callable[[bytes], bytes]) -> Write:
        return lambda folder: (folder / SCAN).write_bytes(change((folder / SCAN).read_bytes()))

    random = np.random.default_rng(0).integers(0, 256, 5000).astype(np.uint8).tobytes()
    yield "empty", changed(lambda _: b"")
    yield "one byte", changed(lambda _: b"\x1f")
    yield "random bytes", changed(lambda _: random)
    yield "gzip of random bytes", changed(lambda _: gzip.compress(random))
    yield "gzip of nothing", changed(lambda _: gzip.compress(b""))
    yield "a web page", changed(lambda _: b"<html><body>404 Not Found</body></html>")
    yield "a pointer of git-lfs", changed(lambda _: b"version https://git-lfs.github.com/spec/v1\n")
    for share in (0.05, 0.5, 0.99):
        yield f"cut at {share}", changed(lambda raw, share=share: raw[: int(len(raw) * share)])
    yield "cut inside the header", changed(lambda raw: gzip.compress(gzip.decompress(raw)[:200]))
    yield "cut inside the voxels", changed(lambda raw: gzip.compress(gzip.decompress(raw)[:-100]))
    yield "a damaged byte", changed(lambda raw: raw[:200] + bytes([raw[200] ^ 255]) + raw[201:])
    yield "bytes behind the voxels", changed(lambda raw: raw + b"more")
    yield "zeros of 3 GB", _bomb
    yield "absent", lambda folder: (folder / SCAN).unlink()
    yield "a folder", _as(lambda path: path.mkdir())
    yield "a pipe", _as(os.mkfifo)
    yield "a socket", _as(_socket)
    yield "a link to zeros without end", _as(lambda path: path.symlink_to("/dev/zero"))
    yield "a link to itself", _as(lambda path: path.symlink_to(path.name))
    yield "a link to nothing", _as(lambda path: path.symlink_to("nothing.nii.gz"))


def _bomb(folder: Path) -> None:
    """A header of 24³ before three gigabytes of zeros, 3 MB on the disk."""
    raw = gzip.decompress((folder / SCAN).read_bytes())
    with gzip.open(folder / SCAN, "wb", compresslevel=1) as stream:
        stream.write(raw)
        for _ in range(300):
            stream.write(bytes(10_000_000))


def _as(make: Callable[[Path], object]) -> Write:
    def write(folder: Path) -> None:
        (folder / SCAN).unlink()
        make(folder / SCAN)

    return write


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _voxels() -> Iterator[tuple[str, Write]]:
    def filled(value: float) -> Write:
        def write(folder: Path) -> None:
            image = nib.load(folder / SCAN)
            voxels = np.asanyarray(image.dataobj).astype(np.float32)
            voxels[3:9] = value
            nib.save(nib.Nifti1Image(voxels, image.affine), folder / SCAN)

        return write

    yield "voxels NaN", filled(float("nan"))
    yield "voxels infinite", filled(float("inf"))


def _on_mask(write: Write) -> Write:
    """The same fault in the mask of the first case, whose scan stays whole."""

    def swapped(folder: Path) -> None:
        scan, mask = folder / SCAN, folder / SCAN.replace(".nii", "_seg.nii")
        kept = scan.read_bytes()
        scan.write_bytes(mask.read_bytes())
        mask.unlink()
        write(folder)
        if os.path.lexists(scan):
            scan.rename(mask)
        scan.write_bytes(kept)

    return swapped


def _foreign_formats() -> Iterator[Bad]:
    """NRRD, MetaImage, MGH and DICOM, given to prediction as a folder."""
    for name, file, content in (*_nrrd(), *_meta(), *_mgh()):
        is_read = name == "NRRD, gzip that is none"  # its voxels are whole, and read as they are
        write = written(f"scans/{file}", content)
        yield Bad(f"predict: {name}", PREDICT_SCANS, write, "scan", accepted=is_read)
    for name, write in _detached():
        yield Bad(f"predict: {name}", PREDICT_SCANS, write, "scan")
    for name, changes in DICOM:
        yield Bad(f"predict: DICOM, {name}", PREDICT_SCANS, _dicom(changes), "error")


def _nrrd() -> Iterator[tuple[str, str, bytes]]:
    for name, changes in (
        ("data of another file", {"data_file": "/etc/passwd"}),
        ("data above its folder", {"data_file": "../data/sub-00.nii.gz"}),
        ("data of a device", {"data_file": "/dev/zero"}),
        ("sides of zero", {"sizes": "0 8 8"}),
        ("sides below zero", {"sizes": "-8 8 8"}),
        ("sides of a million", {"sizes": "1000000 1000000 1000000"}),
        ("no sides", {"sizes": ""}),
        ("directions of NaN", {"space_directions": "(nan,0,0) (0,nan,0) (0,0,nan)"}),
        ("directions of zero", {"space_directions": "(0,0,0) (0,0,0) (0,0,0)"}),
        ("voxels of 1e30 mm", {"space_directions": "(1e30,0,0) (0,1e30,0) (0,0,1e30)"}),
        ("unknown type", {"type": "block"}),
        ("unknown encoding", {"encoding": "secret"}),
        ("gzip that is none", {"encoding": "gzip"}),
        ("dimension 99", {"dimension": "99"}),
    ):
        yield f"NRRD, {name}", "scan.nrrd", nrrd(**changes)
    yield "NRRD, cut", "scan.nrrd", b"NRRD0005\ntype: float\n"


def _meta() -> Iterator[tuple[str, str, bytes]]:
    for name, changes in (
        ("data of another file", {"ElementDataFile": "/etc/passwd"}),
        ("data above its folder", {"ElementDataFile": "../data/sub-00.nii.gz"}),
        ("data of a device", {"ElementDataFile": "/dev/zero"}),
        ("data of a list", {"ElementDataFile": "LIST\n/etc/passwd"}),
        ("sides of zero", {"DimSize": "0 8 8"}),
        ("sides below zero", {"DimSize": "-8 8 8"}),
        ("sides of a million", {"DimSize": "1000000 1000000 1000000"}),
        ("spacing of zero", {"ElementSpacing": "0 0 0"}),
        ("spacing of NaN", {"ElementSpacing": "nan nan nan"}),
        ("spacing of 1e30 mm", {"ElementSpacing": "1e30 1e30 1e30"}),
        ("unknown type", {"ElementType": "MET_OTHER"}),
        ("matrix of zeros", {"TransformMatrix": "0 0 0 0 0 0 0 0 0"}),
    ):
        yield f"MetaImage, {name}", "scan.mha", meta(**changes)


def _mgh() -> Iterator[tuple[str, str, bytes]]:
    yield "MGH, version 7", "scan.mgh", mgh(version=7)
    yield "MGH, sides of zero", "scan.mgh", mgh(sides=(0, 8, 8, 1))
    yield "MGH, sides below zero", "scan.mgh", mgh(sides=(-8, 8, 8, 1))
    yield "MGH, huge sides", "scan.mgh", mgh(sides=(2**30, 2**30, 2**30, 1))
    yield "MGH, unknown type", "scan.mgh", mgh(kind=99)
    yield "MGH, voxels of NaN mm", "scan.mgh", mgh(side_mm=float("nan"))
    yield "MGH, voxels of 0 mm", "scan.mgh", mgh(side_mm=0.0)
    yield "MGH, cut", "scan.mgh", mgh()[:300]
    yield "MGH, empty", "scan.mgh", b""


def _detached() -> Iterator[tuple[str, Write]]:
    """Headers whose voxels should lie beside them, and what lies there instead."""
    headers = {
        "scan.mhd": lambda place: meta_header(ElementDataFile=place),
        "scan.nhdr": lambda place: nrrd_header(data_file=place) + b"\n",
    }
    beside: tuple[tuple[str, str, Callable[[Path], object]], ...] = (
        ("absent", "scan.raw", Path.exists),
        ("cut", "scan.raw", lambda path: path.write_bytes(VOXELS[:-1])),
        ("too long", "scan.raw", lambda path: path.write_bytes(VOXELS + b"x")),
        ("a folder", "scan.raw", Path.mkdir),
        ("a pipe", "scan.raw", os.mkfifo),
        ("a device", "scan.raw", lambda path: path.symlink_to("/dev/zero")),
        ("a link out", "scan.raw", lambda path: path.symlink_to("../data/manifest.tsv")),
        ("of another name", "other.raw", lambda path: path.write_bytes(VOXELS)),
        ("above", "../scan.raw", lambda path: path.write_bytes(VOXELS)),
        ("a list", "scan%d.raw 1 2 1", lambda path: path.write_bytes(VOXELS)),
    )
    for file, header in headers.items():
        for name, place, make in beside:

            def write(folder: Path, file=file, header=header, place=place, make=make) -> None:
                (folder / "scans").mkdir()
                (folder / "scans" / file).write_bytes(header(place))
                make(folder / "scans" / place.split()[0])

            yield f"voxels of {file} {name}", write


DICOM: tuple[tuple[str, dict[str, object]], ...] = (
    ("spacing of zero", {"PixelSpacing": [0, 0]}),
    ("spacing below zero", {"PixelSpacing": [-1, 1]}),
    ("spacing of 1e6 mm", {"PixelSpacing": [1e6, 1e6]}),
    ("slices at one place", {"ImagePositionPatient": [0, 0, 0]}),
    ("no orientation", {"ImageOrientationPatient": None}),
    ("orientation of zeros", {"ImageOrientationPatient": [0] * 6}),
    ("rows of zero", {"Rows": 0}),
    ("more rows than pixels", {"Rows": 4000}),
    ("slope of zero", {"RescaleSlope": 0, "RescaleIntercept": 0}),
    ("slope beyond float32", {"RescaleSlope": "1e39", "RescaleIntercept": 0}),
    ("no pixels", {"PixelData": None}),
    ("12 bits in 8", {"BitsAllocated": 8, "BitsStored": 12}),
)


def _dicom(changes: dict[str, object]) -> Write:
    def write(folder: Path) -> None:
        series = folder / "scans"
        series.mkdir()
        study, uid = generate_uid(), generate_uid()
        for number in range(8):
            one = dicom_slice(number, study, uid)
            for key, value in changes.items():
                if value is None:
                    delattr(one, key)
                else:
                    setattr(one, key, value)
            one.save_as(series / f"{number}.dcm", enforce_file_format=True)

    return write
