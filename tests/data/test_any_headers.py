"""Any NIfTI header is read to what it says, or answered in sentences; none is a traceback."""

import gzip
import math
import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from neurotarget.data.scans.volume import inspect_volume

VOXELS = np.arange(4 * 5 * 6, dtype=np.int16)
SIZE, BEGIN = 348, 352  # bytes of a header, and before the voxels
UNITS_MM = {0: 1.0, 1: 1e3, 2: 1.0, 3: 1e-3}
ODD = [0.0, -1.0, 0.01, 1e9, 1e30, math.nan, math.inf, -math.inf]


def mostly(usual, odd):
    """The usual value in most draws, so that many headers are whole."""
    return st.integers(0, 9).flatmap(lambda number: odd if number == 9 else usual)


LAST_CODE = 5  # of the standard: a template other than MNI's
floats = st.floats(width=32) | st.sampled_from(ODD)
sides = st.floats(0.125, 20, width=32)
HEADERS = st.fixed_dictionaries(
    {
        "dim": mostly(
            st.sampled_from([(3, 4, 5, 6, 1, 1, 1, 1), (4, 4, 5, 6, 1, 1, 1, 1)]),
            st.tuples(*[st.integers(-(2**15), 2**15 - 1)] * 8),
        ),
        "kind": mostly(st.just((4, 16)), st.tuples(*[st.integers(-(2**15), 2**15 - 1)] * 2)),
        "sides": mostly(st.tuples(sides, sides, sides), st.tuples(floats, floats, floats)),
        "offset": mostly(st.just(float(BEGIN)), floats),
        "scale": mostly(
            st.sampled_from([(1.0, 0.0), (0.0, 0.0), (2.0, -1.0), (math.nan, math.nan)]),
            st.tuples(floats, floats),
        ),
        "unit": mostly(st.sampled_from([0, 2, 10]), st.integers(0, 255)),
        "codes": mostly(st.just((0, 1)), st.tuples(*[st.integers(-5, 9)] * 2)),
        "shift": mostly(st.tuples(*[st.floats(-200, 200, width=32)] * 3), st.tuples(*[floats] * 3)),
        "quaternion": mostly(st.just((0.0, 0.0, 0.0)), st.tuples(*[floats] * 3)),
    }
)


def header(found):
    """348 bytes with these fields; the sform has the sides on its diagonal."""
    content = bytearray(SIZE)
    struct.pack_into("<i", content, 0, SIZE)
    struct.pack_into("<8h", content, 40, *found["dim"])
    struct.pack_into("<2h", content, 70, *found["kind"])
    struct.pack_into("<8f", content, 76, 1.0, *found["sides"], 1, 1, 1, 1)
    struct.pack_into("<3f", content, 108, found["offset"], *found["scale"])
    struct.pack_into("<B", content, 123, found["unit"])
    struct.pack_into("<2h", content, 252, *found["codes"])
    struct.pack_into("<3f", content, 256, *found["quaternion"])
    rows = np.diag(found["sides"])
    for axis in range(3):
        row = (*rows[axis], found["shift"][axis])
        struct.pack_into("<4f", content, 280 + 16 * axis, *row)
    content[344:348] = b"n+1\0"
    return bytes(content)


def scaled(slope, inter):
    """Voxels as the standard has them: a slope of 0 or NaN is none."""
    plain = VOXELS.astype(np.float64)
    return plain if not slope or math.isnan(slope) else plain * slope + inter


@settings(max_examples=150)
@given(found=HEADERS, is_zipped=st.booleans())
def test_a_header_is_read_to_what_it_says_or_answered(tmp_path, found, is_zipped):
    content = header(found) + b"\0" * 4 + VOXELS.tobytes()
    path = tmp_path / ("a.nii.gz" if is_zipped else "a.nii")
    path.write_bytes(gzip.compress(content, 1) if is_zipped else content)
    volume, problems = inspect_volume(path, case_id="c")
    assert all(problem.case_id == "c" and problem.todo for problem in problems)
    if any(problem.level == "error" for problem in problems):
        return
    axes = found["dim"][0]
    assert volume.array.shape == tuple(found["dim"][1 : axes + 1])[:3]
    if found["kind"] == (4, 16) and found["offset"] == BEGIN:
        wanted = scaled(*found["scale"]).reshape(volume.array.shape, order="F")
        np.testing.assert_allclose(volume.array, wanted, rtol=1e-5, atol=1e-5)
    if 0 < found["codes"][1] <= LAST_CODE:  # any other is read as no orientation, with a warning
        affine = np.diag([*found["sides"], 1.0])
        affine[:3, 3] = found["shift"]
        affine[:3] *= UNITS_MM[found["unit"] & 7]
        np.testing.assert_allclose(volume.affine, affine, rtol=1e-5)


@settings(max_examples=100)
@given(
    changes=st.lists(st.tuples(st.integers(0, BEGIN + 60), st.binary(min_size=1, max_size=8))),
    end=st.none() | st.integers(0, BEGIN + 2 * VOXELS.size),
    name=st.sampled_from(["a.nii", "a.mgh", "a.mha", "a.nrrd", "a.mhd", "a.nhdr"]),
)
def test_bytes_of_any_kind_are_answered(tmp_path, changes, end, name):
    usual = {"codes": (0, 1), "kind": (4, 16), "offset": float(BEGIN), "scale": (1.0, 0.0)}
    usual |= {"dim": (3, 4, 5, 6, 1, 1, 1, 1), "sides": (1.0,) * 3, "shift": (0.0,) * 3}
    usual |= {"quaternion": (0.0,) * 3, "unit": 2}
    content = bytearray(header(usual) + b"\0" * 4 + VOXELS.tobytes())
    for place, new in changes:
        content[place : place + len(new)] = new
    (tmp_path / name).write_bytes(bytes(content[:end]))
    volume, problems = inspect_volume(tmp_path / name)
    assert volume is not None or any(problem.level == "error" for problem in problems)
