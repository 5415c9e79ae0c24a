"""Figure of a training: losses, and the score of the validation cases, per epoch."""

from matplotlib.figure import Figure

from neurotarget.report.drawing.figure import (
    GRID,
    SERIES,
    SMALL_PT,
    WIDTH_INCH,
    finished,
    look,
    new_figure,
)
from neurotarget.report.text.sentences import rows_of
from neurotarget.stats.study.results import Study

HEIGHT_INCH = 2.6
MARKED = 40  # epochs up to which each has a marker


@look()
def training_figure(study: Study) -> Figure | None:
    """Draw losses on the left and the validation score on the right, over the steps.

    Args:
        study: its table `training` is read, with `steps`, `train_loss`, `val_loss` and `val_score`.

    Returns:
        The figure, or None for fewer than two epochs.
    """
    table = rows_of(study, "training")
    if len(table) < 2:
        return None
    figure = new_figure("training", WIDTH_INCH, HEIGHT_INCH)
    left, right = figure.subplots(1, 2)
    marker = "o" if len(table) <= MARKED else ""
    style = {"lw": 1.6, "marker": marker, "markersize": 3}
    for place, (name, text) in enumerate(
        {"train_loss": "training", "val_loss": "validation"}.items()
    ):
        known = table[table[name].notna()]
        left.plot(known["steps"], known[name], color=SERIES[place], label=text, **style)
    known = table[table["val_score"].notna()]
    right.plot(known["steps"], known["val_score"], color=SERIES[1], **style)
    left.legend(fontsize=SMALL_PT, frameon=False)
    for axes, text in ((left, "loss"), (right, "validation score")):
        axes.set_ylabel(text, fontsize=SMALL_PT)
        axes.set_xlabel("steps", fontsize=SMALL_PT)
        axes.grid(color=GRID, lw=0.6)
    return finished(figure)
