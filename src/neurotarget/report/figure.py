"""What all figures share: colours that everyone can tell apart, and writing without a display."""

from io import BytesIO
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from neurotarget.files import written

# Okabe and Ito's colours that stand out on a grey scan as on white; told apart in the common
# forms of colour blindness (jfly.uni-koeln.de/color)
COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#CC79A7", "#D55E00")
DPI = 150


def colour(number: int) -> str:
    """Colour of class `number`, from 1; they come round again after the last."""
    return COLOURS[(number - 1) % len(COLOURS)]


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all; needs no display and no global state."""
    content = BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(content, format="png", dpi=DPI, facecolor=figure.get_facecolor())
    with written(path) as draft:
        draft.write_bytes(content.getvalue())
