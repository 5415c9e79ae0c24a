"""Style shared by all figures: colours safe for colour blindness, layout, and saving.

Figures need no display and do not change matplotlib's global settings. They are laid out in DejaVu
Sans, which is wider than most fonts, so that text still fits in the font of a page.
"""

import copy
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from neurotarget.files.writing import write_text, written
from neurotarget.report.drawing.lettering import plain

# Okabe and Ito's colours that are visible on a grey scan and on white, and distinct in the common
# forms of colour blindness (jfly.uni-koeln.de/color)
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#CC79A7", "#D55E00")
PRINT_DPI = 200  # resolution of PNG files
PX_PER_INCH = 120  # on a page; larger than the usual 96, so that text is easy to read

# the same colours in the order of series, and greys, as CSS variables of a page: --ink, --c1 …
LIGHT = {
    "ink": "#1f2328",
    "muted": "#59636e",
    "grid": "#d1d9e0",
    "c1": "#0072b2",
    "c2": "#d55e00",
    "c3": "#009e73",
    "c4": "#cc79a7",
    "c5": "#e69f00",
    "c6": "#56b4e9",
}
# colours that replace them on a dark page
DARK = {
    "ink": "#e6edf3",
    "muted": "#a3adb8",
    "grid": "#3d444d",
    "c1": "#58b1ea",
    "c2": "#ff8f45",
    "c3": "#33c79e",
    "c4": "#e5a3c9",
    "c5": "#f2b63c",
    "c6": "#9ad6f8",
}
INK, MUTED, GRID = (LIGHT[name] for name in ("ink", "muted", "grid"))
SERIES = tuple(LIGHT[f"c{number}"] for number in range(1, 7))

WIDTH_INCH = 7.5  # width of a figure with several columns
TEXT_PT, SMALL_PT = 9.0, 8.0
LOOK = {
    "text.parse_math": False,  # names may contain $ and _
    "axes.formatter.use_mathtext": False,
    "axes.formatter.useoffset": False,
    "font.size": TEXT_PT,
    "axes.titlesize": TEXT_PT,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": TEXT_PT,
    "xtick.labelsize": SMALL_PT,
    "ytick.labelsize": SMALL_PT,
    "legend.fontsize": SMALL_PT,
    "legend.frameon": False,
    "legend.borderpad": 0.4,
    "legend.handletextpad": 0.4,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
    "lines.solid_capstyle": "butt",
    "svg.fonttype": "none",
}

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
HREF = f"{{{XLINK}}}href"
CASE = "#case-"  # prefix of the link of a case's point, before its URL-quoted id
FONT = re.compile(r"\s*font-family:(?:[^;']|'[^']*')*;?")
HEX = re.compile(r"#[0-9a-f]{6}\b")
REFERENCE = re.compile(r"url\(#([^)]+)\)")
NO_BACKGROUND = "fill: none"  # style of the first path
DECIMALS = re.compile(r"(\.\d\d)\d+")
ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("xlink", XLINK)


def colour(number: int) -> str:
    """Return the hexadecimal colour of class `number`, from 1; colours repeat after the sixth."""
    return COLOURS[(number - 1) % len(COLOURS)]


@contextmanager
def look() -> Iterator[None]:
    """Apply the style of all figures, regardless of user settings; also a decorator `@look()`.

    Matplotlib's settings are restored afterwards, so a figure must be drawn and written within this
    context.
    """
    with rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the page's font has it
        rcdefaults()
        rcParams.update(LOOK)
        yield


def new_figure(name: str, width_inch: float, height_inch: float, *, free: bool = False) -> Figure:
    """Return an empty figure, with automatic layout unless `free`.

    Args:
        name: unique in a report: ids inside the SVG begin with it, and it is the label for screen
            readers.
        width_inch: width in inches; `WIDTH_INCH` fits the column of a page.
        height_inch: height in inches.
        free: whether the caller places all axes itself.
    """
    return Figure(
        figsize=(width_inch, height_inch), label=name, layout=None if free else "constrained"
    )


def finished(figure: Figure) -> Figure:
    """Return the figure with its layout fixed, so that the layout is equal in every format.

    Call it last: axes that are added later are not part of the automatic layout.
    """
    FigureCanvasAgg(figure)
    if engine := figure.get_layout_engine():
        engine.execute(figure)
    figure.set_layout_engine("none")
    return figure


@look()
def svg_text(figure: Figure) -> str:
    """Return SVG for an HTML page, with equal bytes for equal figures.

    Colours and font are those of the page (variables `--ink`, `--muted`, `--grid`, `--c1` …
    `--c6`), and text is not converted to paths. On a page narrower than the figure, the figure
    shrinks to the width of the page; a page that sets `--figure-least`, such as to 0.9, scrolls
    instead of shrinking below this share. Points of a case link to `#case-<id>`, the id quoted as
    in a URL.
    """
    return _page_svg(figure, _drawn(figure))


@look()
def save_figure(figure: Figure, stem: Path) -> None:
    """Write a figure on white as `<stem>.svg` and `<stem>.png` (200 dpi), each atomically.

    Links to cases become plain groups with the case as tooltip, as a file has no row to link to.
    """
    _save(figure, _drawn(figure), stem)


@look()
def saved_svg(figure: Figure, stem: Path) -> str:
    """Write a figure as `save_figure` does and return its SVG as `svg_text` does.

    The figure is drawn as SVG only once, since drawing takes most of the time. Pages use this where
    their figures are also files.
    """
    root = _drawn(figure)
    _save(figure, copy.deepcopy(root), stem)
    return _page_svg(figure, root)


def _page_svg(figure: Figure, root: ElementTree.Element) -> str:
    width_px, height_px = (PX_PER_INCH * side for side in figure.get_size_inches())
    root.attrib.pop("height")
    root.set("width", f"{width_px:.0f}")
    root.set("role", "group")
    root.set("aria-label", figure.get_label().replace("_", " "))
    variables = {colour: f"var(--{name},{colour})" for name, colour in LIGHT.items()}
    for element in root.iter():
        _restyle(element, variables)
        if element.tag == f"{{{SVG}}}a":
            _link(element)
    root.set(
        "style",
        f"max-width:100%;height:auto;aspect-ratio:{width_px:.0f}/{height_px:.0f};"
        f"min-width:calc(var(--figure-least,0)*{width_px:.0f}px);"
        "stroke-linejoin:round;stroke-linecap:butt;font-family:inherit",
    )
    return ElementTree.tostring(root, encoding="unicode")


def _save(figure: Figure, root: ElementTree.Element, stem: Path) -> None:
    background = root.find(f".//{{{SVG}}}path")
    if background is not None and background.get("style") == NO_BACKGROUND:
        background.set("style", "fill: #ffffff")
    for element in root.iter():
        _restyle(element, {})
        if element.tag == f"{{{SVG}}}a":
            _link(element)
            element.tag = f"{{{SVG}}}g"  # links have no target outside a page
            del element.attrib[HREF], element.attrib["tabindex"]
    root.set(
        "style",
        "stroke-linejoin:round;stroke-linecap:butt;"
        "font-family:Arial,Helvetica,'Liberation Sans','DejaVu Sans',sans-serif",
    )
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    text = head + ElementTree.tostring(root, encoding="unicode") + "\n"
    write_text(stem.with_name(f"{stem.name}.svg"), text)
    content = BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(
        content, format="png", dpi=PRINT_DPI, facecolor="white", metadata={"Software": None}
    )
    with written(stem.with_name(f"{stem.name}.png")) as draft:
        draft.write_bytes(content.getvalue())


def _drawn(figure: Figure) -> ElementTree.Element:
    """Return matplotlib's SVG without background, metadata, global styles and unused ids."""
    rcParams["svg.hashsalt"] = figure.get_label()
    content = BytesIO()
    figure.savefig(content, format="svg", facecolor="none", metadata={"Date": None})
    root = ElementTree.fromstring(content.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            is_style = child.find(f"{{{SVG}}}style") is not None
            if is_style or child.tag == f"{{{SVG}}}metadata":
                parent.remove(child)
    used = {
        name
        for element in root.iter()
        for key, value in element.attrib.items()
        for name in ([value.removeprefix("#")] if key == HREF else REFERENCE.findall(value))
    }
    for element in root.iter():
        element.tail = element.text = None if element.tag != f"{{{SVG}}}text" else element.text
        _rename(element, used, figure.get_label())
    return root


def _rename(element: ElementTree.Element, used: set[str], prefix: str) -> None:
    """Prefix ids in use with the figure's name, and remove unused ids."""
    if (name := element.attrib.pop("id", None)) in used:
        element.set("id", f"{prefix}-{name}")
    for key, value in element.attrib.items():
        if key == HREF and element.tag == f"{{{SVG}}}use":
            element.set(key, f"#{prefix}-{value.removeprefix('#')}")
        elif "url(#" in value:
            element.set(key, REFERENCE.sub(rf"url(#{prefix}-\1)", value))


def _restyle(element: ElementTree.Element, colours: Mapping[str, str]) -> None:
    for key in ("style", "fill", "stroke"):
        if key in element.attrib:
            style = FONT.sub("", element.attrib[key])
            element.set(key, HEX.sub(lambda match: colours.get(match[0], match[0]), style))
    for key in ("d", "x", "y", "transform"):
        if key in element.attrib:
            element.set(key, DECIMALS.sub(r"\1", element.attrib[key]))


def _link(element: ElementTree.Element) -> None:
    """Add a tooltip with the id of the case; keyboard users use the list of cases instead."""
    element.attrib.pop("target", None)
    element.set("tabindex", "-1")
    title = ElementTree.Element(f"{{{SVG}}}title")
    title.text = plain(unquote(element.get(HREF, "").removeprefix(CASE)))
    element.insert(0, title)
