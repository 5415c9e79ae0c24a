"""Numbers, names and colours of labels for other programs.

`dseg.tsv` is that of BIDS. In `lookup/` are tables for FreeSurfer and freeview, 3D Slicer, ITK-SNAP
and FSLeyes; they differ in order, in the range of colours, and in what an opacity of 0 means.
"""

from collections.abc import Callable
from colorsys import hsv_to_rgb
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from neurotarget.anatomy.structures import Colour
from neurotarget.files.writing import table_text, write_text
from neurotarget.inference.windows.structure_stats import COLOURS, named_structures
from neurotarget.types import Target

FOLDER = "lookup"
# those of our figures, by Okabe and Ito; the module of figures would load matplotlib
FIRST = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#CC79A7", "#D55E00")
GOLDEN = 0.6180339887498949
CLEAR = '    0     0    0    0        0  0  0    "Clear Label"\n'  # ITK-SNAP's background


class Label(NamedTuple):
    """A label as files have it.

    Attributes:
        id: number in label maps.
        name: of the label.
        colour: red, green and blue, 0 to 255.
    """

    id: int
    name: str
    colour: Colour


def labels_of(target: Target) -> list[Label]:
    """Labels with FreeSurfer's colours where all are structures of its table, else with ours.

    Their ids are those that are written to files.
    """
    known = named_structures(target)
    return [
        Label(target.file_ids[number], name, known[name].colour if known else _rgb(number))
        for number, name in enumerate(target.label_names, start=1)
    ]


def write_label_table(target: Target, folder: Path) -> None:
    """Write dseg.tsv, unless it is there with this content."""
    rows = [(one.id, one.name, f"#{bytes(one.colour).hex().upper()}") for one in labels_of(target)]
    table = pd.DataFrame(rows, columns=["index", "name", "color"])
    _write_new(folder / COLOURS, table_text(table))


def write_lookup_tables(target: Target, folder: Path) -> None:
    """Write the tables of other programs into `lookup/`, unless they are there."""
    labels = labels_of(target)
    for name, text in FILES.items():
        _write_new(folder / FOLDER / name, text(labels))


def freesurfer(labels: list[Label]) -> str:
    """Table of FreeSurfer, in which a last column of 0 is opaque."""
    background = Label(0, "Unknown", (0, 0, 0))
    return "".join(_line(one, last=0) for one in (background, *labels))


def slicer(labels: list[Label]) -> str:
    """Colour table of 3D Slicer, in which a last column of 255 is opaque."""
    rows = [_line(Label(0, "background", (0, 0, 0)), last=0)]
    return "".join(["# 3D Slicer color table\n", *rows, *(_line(one, last=255) for one in labels)])


def itk_snap(labels: list[Label]) -> str:
    """Label descriptions of ITK-SNAP: colour, opacity, visibility, mesh, name."""
    rows = [
        f'{one.id:5d} {one.colour[0]:5d} {one.colour[1]:4d} {one.colour[2]:4d}        1  1  1    "'
        f'{one.name}"\n'
        for one in labels
    ]
    return CLEAR + "".join(rows)


def fsleyes(labels: list[Label]) -> str:
    """Lookup table of FSLeyes, by ascending number: number, colour from 0 to 1, name."""
    rows = sorted(labels)
    return "".join(
        f"{one.id} {' '.join(f'{part / 255:.4f}' for part in one.colour)} {one.name}\n"
        for one in rows
    )


FILES: dict[str, Callable[[list[Label]], str]] = {
    "freesurfer_lut.txt": freesurfer,
    "slicer.ctbl": slicer,
    "itksnap.label": itk_snap,
    "fsleyes.lut": fsleyes,
}


def _line(one: Label, *, last: int) -> str:
    red, green, blue = one.colour
    return f"{one.id:<6d} {one.name:<40s} {red:3d} {green:3d} {blue:3d} {last}\n"


def _rgb(number: int) -> Colour:
    """Colour of a label: one of the colours of figures, then a hue that no other label has."""
    if number <= len(FIRST):
        red, green, blue = bytes.fromhex(FIRST[number - 1].removeprefix("#"))
        return red, green, blue
    # steps of the golden ratio never meet again, and keep neighbours in the list apart
    red, green, blue = hsv_to_rgb(number * GOLDEN % 1, 0.45 + 0.5 * (number % 3) / 2, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def _write_new(path: Path, text: str) -> None:
    """Write a text unless the file has it, so that several processes do not replace it."""
    if not path.is_file() or path.read_bytes() != text.encode():
        write_text(path, text)
