"""Names of a study's main quantity that fill the braces of texts."""

from neurotarget.number_text import unit_text
from neurotarget.quantity import AREA, one_of
from neurotarget.stats.cohort.measured import Quantity, of_volumes
from neurotarget.types import Target

VOLUMES = of_volumes({})["volume"]


def placeholders_of(quantity: Quantity) -> dict[str, str]:
    """Return the words for `{noun}`, `{plural}`, `{in_unit}`, `{masks}` and `{voxels}` in texts.

    `_unit` ends the names of columns, `masks` names what can fail, `voxels` the elements of a mask.
    """
    unit = unit_text(quantity.unit)
    return {
        "noun": quantity.noun,
        "a_noun": one_of(quantity.name),
        "plural": quantity.plural,
        "Plural": quantity.plural[:1].upper() + quantity.plural[1:],
        "table": quantity.table_name,
        "in_unit": f", {unit}" if unit else "",
        "_unit": f"_{quantity.unit}" if quantity.unit else "",
        "masks": "masks" if quantity.is_of_masks else "predictions",
        "voxels": "pixels" if quantity.name == AREA else "voxels",
    }


def main_of(target: Target) -> Quantity:
    """Return the main quantity of a target, without values: its name, noun and unit for texts."""
    first = next(iter(target.quantities.values()))
    return Quantity(first.name, first.unit, {})


def in_unit(text: str, unit: str) -> str:
    """Return a heading with its unit, if it has one: `Bias, mm³`.

    Without a unit the text stays as it is.
    """
    return f"{text}, {unit_text(unit)}" if unit else text
