"""Names of filters, such as `log_3mm` or `wavelet_db3_LLH_1_mean`, which begin those of features.

| name | filter |
|---|---|
| mean_5vox | mean of a cube of 5 voxels |
| log_3mm | Laplacian of a Gaussian of 3 mm |
| laws_L5E5E5, laws_L5E5E5_max_energy_7vox | Laws' kernels along x, y, z; energy within 7 voxels |
| gabor_5mm_2mm_1.5_45deg, gabor_5mm_2mm_1.5_22.5deg_mean | width, wavelength, aspect, angle |
| wavelet_db3_LLH_1, wavelet_db3_LLH_1_mean | low- or high-pass along x, y, z; level |
| simoncelli_1, simoncelli_1_riesz_100 | level; orders of the Riesz transform along x, y, z |

`max`, `mean` or `min` pools the responses of all right-angled rotations of a kernel, or of angles
in steps of the given one. The end `_2D` filters each slice by itself. A Gabor filter is always
flat: without `_2D` its responses in the three planes are averaged.

Source: IBSI 2, doi:10.1148/radiol.231319, and its reference manual, arXiv:2006.05470.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from neurotarget.problems import DataError, error

Kind = Literal["mean", "log", "laws", "gabor", "wavelet", "simoncelli"]
Boundary = Literal["mirror", "nearest", "zero", "periodic"]

NUMBER = r"(?:\d+(?:\.\d+)?)"
POOL = r"(?:_(?P<pool>max|mean|min))?"
RIESZ = r"(?:_riesz_(?P<riesz>[0-9]{2,3}))?"
FORMS: dict[Kind, str] = {
    "mean": r"(?P<support>\d{1,3})vox",
    "log": rf"(?P<width>{NUMBER})mm{RIESZ}",
    "laws": rf"(?P<code>(?:[LESWR][35]){{2,3}}){POOL}(?:_energy_(?P<energy>\d{{1,2}})vox)?",
    "gabor": (
        rf"(?P<width>{NUMBER})mm_(?P<wave>{NUMBER})mm_(?P<aspect>{NUMBER})_"
        rf"(?P<angle>{NUMBER})deg{POOL}"
    ),
    "wavelet": rf"(?P<family>haar|db[1-9]|coif1)_(?P<code>[LH]{{2,3}})_(?P<level>[1-9]){POOL}",
    "simoncelli": rf"(?P<level>[1-9]){RIESZ}",
}
LAWS = frozenset(("L5", "E5", "S5", "W5", "R5", "L3", "E3", "S3"))
DECIMALS = frozenset(("width", "wave", "aspect", "angle"))
TEXTS = frozenset(("code", "pool", "family", "riesz"))


@dataclass(frozen=True, kw_only=True)
class Filter:
    """One filter; fields that its kind does not use keep these values.

    Attributes:
        name: as above.
        kind: of the filter.
        flat: whether each slice is filtered by itself.
        support: side of the cube of a mean, in voxels.
        width: standard deviation in mm.
        wave: wavelength in mm.
        aspect: ratio of the widths along and across the wave.
        angle: of the wave against x, or the step of angles that are pooled, in degrees.
        code: of the kernels along x, y and z.
        family: of wavelets.
        level: of the decomposition, from 1.
        energy: distance in voxels of which the mean absolute response is taken; 0 for none.
        riesz: orders of the Riesz transform along x, y and z.
        pool: how responses of several orientations become one.
    """

    name: str
    kind: Kind
    flat: bool = False
    support: int = 0
    width: float = 0.0
    wave: float = 0.0
    aspect: float = 0.0
    angle: float = 0.0
    code: str = ""
    family: str = ""
    level: int = 1
    energy: int = 0
    riesz: str = ""
    pool: str = ""

    @property
    def needs_whole(self) -> bool:
        """Return whether the response of a voxel depends on the whole image."""
        return self.kind == "simoncelli" or bool(self.riesz)

    @property
    def parts(self) -> list[str]:
        """Names of the kernels along the axes, such as L5, E5 or L, H.

        They are in the order x, y, z; empty for filters without a code.
        """
        step = 2 if self.kind == "laws" else 1
        return [self.code[at : at + step] for at in range(0, len(self.code), step)]


@lru_cache(maxsize=1024)
def read_filter(name: str) -> Filter:
    """The filter of a name.

    Raises:
        DataError: the name has no known form, or its numbers do not fit.
    """
    stem = name.removesuffix("_2D")
    kind, _, rest = stem.partition("_")
    form = FORMS.get(kind)  # type: ignore[call-overload]
    found = re.fullmatch(form, rest, re.ASCII) if form else None
    if found is None:
        raise _refused(name, "such as log_3mm or wavelet_db3_LLH_1_mean")
    values = {key: value for key, value in found.groupdict().items() if value is not None}
    given = {key: _value(key, value) for key, value in values.items()}
    flat = name.endswith("_2D")
    made = Filter(name=name, kind=kind, flat=flat, **given)  # type: ignore[arg-type]
    _check(made)
    return made


def _value(key: str, text: str) -> str | float | int:
    if key in TEXTS:
        return text
    return float(text) if key in DECIMALS else int(text)


def _check(one: Filter) -> None:
    """Refuse numbers that make no filter."""
    dimensions = 2 if one.flat else 3
    for orders in (one.parts, one.riesz):
        if orders and len(orders) != dimensions:
            todo = "name each of x, y, z; or x, y with the end _2D"
            raise _refused(one.name, f"{dimensions} directions", todo)
    widths = {"log": ("width",), "gabor": ("width", "wave", "aspect")}.get(one.kind, ())
    wanted = {
        f"kernels of {', '.join(sorted(LAWS))}": one.kind == "laws" and set(one.parts) - LAWS,
        "an odd number of voxels": one.kind == "mean" and one.support % 2 == 0,
        "an order of the Riesz transform above 0": one.riesz and not int(one.riesz),
        "widths above 0": any(getattr(one, key) <= 0 for key in widths),
        "steps of the angle above 0": one.kind == "gabor" and one.pool and not one.angle,
    }
    for what, is_wrong in wanted.items():
        if is_wrong:
            raise _refused(one.name, what)


def _refused(name: str, wanted: str, todo: str = "see docs/features.md") -> DataError:
    return DataError(error(f"filters={name}", wanted, todo))
