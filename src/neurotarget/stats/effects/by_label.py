"""Effects on each label and region, for hypotheses about a whole target."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from neurotarget.hypothesis import Hypothesis
from neurotarget.stats.cohort.learning import without_failed
from neurotarget.stats.cohort.measured import Measured
from neurotarget.stats.core.multiple_tests import corrected
from neurotarget.stats.effects.effects import NONE_REFUSED, Refused, label_of, model_effect
from neurotarget.stats.effects.variants import variants

COLUMNS = (
    *("hypothesis", "method", "model", "label", "estimate", "low", "high", "unit"),
    *("p", "p_holm", "n_tests", "n", "verdict", "reason"),
)
MOST_LABELS = 12  # of a target with more labels, only the first are tested


def label_effects_table(
    measured: Measured, effects: pd.DataFrame, *, refused: Refused = NONE_REFUSED
) -> pd.DataFrame:
    """Return the effect on each label, and on left, right and total, in the leading model.

    `p_holm` is corrected for the labels of one hypothesis and method; the verdict uses the
    uncorrected interval. A target with one label has no rows, and neither has a
    hypothesis on a named label.

    Source: Holm 1979 (Scand J Statist 6:65).
    """
    known, _ = without_failed(measured)
    rows = []
    for hypothesis in known.target.hypotheses:
        if hypothesis.label or len(known.labels_of(hypothesis)) < 2:
            continue
        lead = effects[(effects["hypothesis"] == hypothesis.name) & effects["leads"].astype(bool)]
        for method, model in zip(lead["method"], lead["model"], strict=True):
            own = list(_rows(known, hypothesis, method, model, refused))
            p = np.array([row["p"] for row in own])
            tests = {"n_tests": int(np.isfinite(p).sum())}
            rows += [
                row | tests | {"p_holm": float(p_holm)}
                for row, p_holm in zip(own, corrected(p), strict=True)
            ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _rows(
    measured: Measured, hypothesis: Hypothesis, method: str, model: str, refused: Refused
) -> Iterator[dict]:
    main = label_of(hypothesis, measured)
    for label in dict.fromkeys((main, *measured.labels_of(hypothesis)[:MOST_LABELS])):
        # published effects are about the whole target
        tested = hypothesis if label == main else replace(hypothesis, expected=None)
        chosen = next(one for one in variants(tested, measured.covariates) if one.name == model)
        effect = model_effect(measured, tested, chosen, method, label, refused=refused)
        names = {"hypothesis": hypothesis.name, "method": method, "model": model, "label": label}
        yield {name: getattr(effect, name, "") for name in COLUMNS} | names
