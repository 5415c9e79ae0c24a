"""Warning banner for a network that has not learnt, for the terminal and the top of a page."""

from collections.abc import Sequence
from typing import NamedTuple

from neurotarget.report.text.sentences import rows_of
from neurotarget.stats.arms.arms import NET
from neurotarget.stats.arms.comparison import Comparison
from neurotarget.stats.cohort.learning import DOUBTFUL, NOT_LEARNT, Learning

HEADS = {
    NOT_LEARNT: "NOT LEARNT: no conclusion can be drawn from this network",
    DOUBTFUL: "DOUBTFUL: it is uncertain whether this network has learnt",
}
NONE_LEARNT = "NOT LEARNT: no network has learnt, so no arm is ranked"
SOME_LEARNT = "NOT LEARNT: some arms have no rank, and no conclusion is drawn from them"
DOUBTED = "DOUBTFUL: it is uncertain whether every arm has learnt"
WARNED = "WARNING: the training was cut short"


class Banner(NamedTuple):
    """A warning at the top of a page; `kind` sets its colour: no, or open.

    `lines` are the reasons, as sentences.
    """

    kind: str
    head: str
    lines: tuple[str, ...]


def banner(learning: Learning | None) -> Banner | None:
    """Return the banner; None where the network has learnt and there are no warnings.

    None as well without a network.
    """
    if learning is None:
        return None
    if learning.verdict in HEADS:
        kind = "no" if learning.verdict == NOT_LEARNT else "open"
        lines = (*learning.reasons, *learning.warnings)
        return Banner(kind, HEADS[learning.verdict], lines)
    return Banner("open", WARNED, learning.warnings) if learning.warnings else None


def arms_banner(comparison: Comparison) -> Banner | None:
    """Return the banner of a comparison: arms that have not learnt, or may not have.

    None where all have learnt, or nothing is known about it.
    """
    table = rows_of(comparison, "arms")
    if "learnt" not in table or not (is_warned := table["learnt"].isin(HEADS)).any():
        return None
    nets = table[table["kind"] == NET]
    lines = tuple(f"{row['arm']}: {row['reason']}." for _, row in table[is_warned].iterrows())
    if len(nets) and (nets["learnt"] == NOT_LEARNT).all():
        return Banner("no", NONE_LEARNT, lines)
    if (table["learnt"] == NOT_LEARNT).any():
        return Banner("no", SOME_LEARNT, lines)
    return Banner("open", DOUBTED, lines)


def banner_text(warning: Banner | None) -> str:
    """Format a banner for the terminal, one line for each reason below its head; "" for None."""
    if warning is None:
        return ""
    return "\n".join([warning.head, *(f"  {line}" for line in warning.lines)])


def learning_text(verdict: str, reasons: Sequence[str], warnings: Sequence[str]) -> str:
    """Format the banner from the values in summary.json; "" without a warning."""
    return banner_text(banner(Learning(verdict, tuple(reasons), tuple(warnings))))
