"""Names and units of sizes and distances: volumes in mm³, areas in mm², or areas in pixels."""

from typing import NamedTuple


class SizeUnits(NamedTuple):
    """Names and units of mask sizes and distances on the grid of a target."""

    noun: str  # of a size: volume or area
    unit: str  # of a size
    length: str  # unit of a distance

    @property
    def size(self) -> str:
        """Metric of a mask's size in rows, such as `volume_mm3`."""
        return f"{self.noun}_{self.unit}"

    @property
    def table(self) -> str:
        """File with the sizes of predicted masks, such as volumes.tsv."""
        return f"{self.noun}s.tsv"

    @property
    def range_field(self) -> str:
        """Field of a target that holds the plausible sizes of its labels."""
        return f"{self.noun}_range_{self.unit}"

    def named(self, name: str) -> str:
        """Convert the end `_mm3` or `_mm` of a name, such as `hd95_before_mm`, to these units.

        Other names are unchanged.
        """
        stem, _, unit = name.rpartition("_")
        ends = {VOLUMES.unit: self.unit, VOLUMES.length: self.length}
        return f"{stem}_{ends[unit]}" if stem and unit in ends else name


VOLUMES = SizeUnits("volume", "mm3", "mm")
AREAS = SizeUnits("area", "mm2", "mm")
PIXELS = SizeUnits("area", "px", "px")  # 2-D images without a known pixel size in mm
