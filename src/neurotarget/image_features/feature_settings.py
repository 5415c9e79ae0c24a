"""Settings of the features, as IBSI names their steps."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from neurotarget.image_features.aggregation import AGGREGATIONS
from neurotarget.image_features.filters.filter_name import Boundary, Filter, read_filter
from neurotarget.image_features.normalisation import Normalisation
from neurotarget.problems import DataError, error, some

FAMILIES = ("morph", "loc", "stat", "ih", "ivh", "cm", "rlm", "szm", "dzm", "ngt", "ngl")
LEVELLED = frozenset(("ih", "cm", "rlm", "szm", "dzm", "ngt", "ngl"))  # families of grey levels
BINS = 32  # of arbitrary units, by default
Interpolation = Literal["linear", "cubic"]


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """Settings of the preparation of a region, and of its features.

    Attributes:
        spacing_mm: of the grid that image and mask are resampled to; two values leave the slices
            as they are; empty for none.
        interpolation: of the image; masks are resampled linearly and cut at half.
        rounded: whether resampled intensities are rounded to whole numbers.
        low, high: intensities outside leave the region of intensities; None is no bound.
        outlier_sd: intensities more than this number of SDs from the mean leave it too;
            None is no bound.
        bins: number of grey levels, for arbitrary units; or
        bin_size: of a grey level, for calibrated units.
        calibrated: contrasts in calibrated units. If there are any, they alone have `bin_size`,
            `low` and `high`, and the others `bins`.
        normalise: scale of the intensities, see `normalisation`; calibrated contrasts keep their
            unit, but may be divided by a median.
        ivh_bins, ivh_bin_size: the same for the cumulative histogram; without both it has steps of
            one unit, or of a thousandth of the range if that is over 100,000, or less than 10 of
            numbers that are not whole.
        aggregations: of the texture matrices, see `aggregation`; empty is 3D_comb, and 3D_avg by
            pyradiomics' convention, which allows that and 2_5D_avg.
        families: of features, by IBSI's abbreviation.
        filters: whose response maps are measured too, see `filters.filter_name`.
        boundary: how images continue beyond their border for filters; see `filters.responses`.
        filter_bins: number of grey levels of response maps, whose units are arbitrary.
        convention: whose names, and whose formulas where pyradiomics differs from IBSI.
    """

    spacing_mm: tuple[float, ...] = ()
    interpolation: Interpolation = "linear"
    rounded: bool = False
    low: float | None = None
    high: float | None = None
    outlier_sd: float | None = None
    bins: int | None = None
    bin_size: float | None = None
    calibrated: tuple[str, ...] = ()
    normalise: Normalisation = "none"
    ivh_bins: int | None = None
    ivh_bin_size: float | None = None
    aggregations: tuple[str, ...] = ()
    families: tuple[str, ...] = FAMILIES
    filters: tuple[str, ...] = ()
    boundary: Boundary = "mirror"
    filter_bins: int = 32
    convention: Literal["ibsi", "pyradiomics"] = "ibsi"

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other.

        Raises:
            DataError: a family, aggregation or filter is unknown, or a size is not positive.
        """
        if not self.aggregations:
            own = "3D_comb" if self.convention == "ibsi" else "3D_avg"
            object.__setattr__(self, "aggregations", (own,))
        known = AGGREGATIONS if self.convention == "ibsi" else ("3D_avg", "2_5D_avg")
        for name, options in (("aggregations", known), ("families", FAMILIES)):
            chosen = getattr(self, name)
            if not chosen or set(chosen) - set(options):
                todo = f"choose from {some(options, 12)}"
                raise DataError(error(f"{name}={','.join(chosen)}", "known names", todo))
        self._check_filters()
        sizes = (self.bins, self.bin_size, self.ivh_bins, self.ivh_bin_size, self.outlier_sd)
        sizes = (*sizes, self.filter_bins)
        if any(size is not None and size <= 0 for size in (*sizes, *self.spacing_mm)):
            todo = "correct bins, bin_size, filter_bins, outlier_sd or spacing_mm"
            raise DataError(error("a size that is not positive", "sizes above 0", todo))
        if len(self.spacing_mm) not in (0, 2, 3):
            found, wanted = f"{len(self.spacing_mm)} values of spacing_mm", "3, or 2 in the plane"
            raise DataError(error(found, wanted, "give one length per axis"))
        if self.calibrated and self.bin_size is None and self.has_levels:
            found = f"{', '.join(self.calibrated)} in calibrated units without bin_size"
            todo = "give bin_size, of which 16 to 128 cover their range; or families=stat"
            raise DataError(error(found, "a size of grey levels", todo))
        if self.bins is not None and self.bin_size is not None and not self.calibrated:
            todo = "give bins for arbitrary units, or bin_size for calibrated ones"
            raise DataError(error("both bins and bin_size", "one of them", todo))

    def _check_filters(self) -> None:
        self.read_filters()
        if twice := [name for name in self.filters if self.filters.count(name) > 1]:
            found = f"filters={twice[0]} twice"
            raise DataError(error(found, "each filter once", "leave one out"))
        if self.filters and self.convention == "pyradiomics":
            todo = "leave convention out; pyradiomics' filters differ from IBSI's"
            raise DataError(error("filters with convention=pyradiomics", "one of them", todo))

    def read_filters(self) -> tuple[Filter, ...]:
        """The filters by their names, in the order given.

        Raises:
            DataError: a name is no filter.
        """
        return tuple(map(read_filter, self.filters))

    @property
    def has_levels(self) -> bool:
        """Return whether a family needs grey levels."""
        return bool(set(self.families) & LEVELLED)

    def for_contrast(self, contrast: str) -> "FeatureSettings":
        """Settings of one contrast: by its units, where calibrated ones are known.

        A calibrated contrast keeps `bin_size`, `low` and `high`; any other gets `bins` (32 by
        default) and no bounds.
        """
        if not self.calibrated:
            return self
        if contrast in self.calibrated:
            return replace(self, calibrated=(), bins=None)
        return replace(
            self, calibrated=(), bins=self.bins or BINS, bin_size=None, low=None, high=None
        )

    def for_responses(self) -> "FeatureSettings":
        """Settings for features of response maps: of arbitrary units, and without shape.

        Voxels that leave the region by their intensity do so before filters act.
        """
        families = tuple(name for name in self.families if name != "morph")
        none = dict.fromkeys(("low", "high", "outlier_sd", "bin_size", "ivh_bin_size"))
        return replace(
            self, filters=(), bins=self.filter_bins, families=families or ("stat",), **none
        )

    def record(self) -> dict[str, Any]:
        """All settings by name as plain values, for a sidecar."""
        return asdict(self)
