"""The table of arms as text for the terminal and as Markdown."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from neurotarget.number_text import DASH, number
from neurotarget.report.text.claims import target_noun
from neurotarget.report.text.learning_banner import arms_banner
from neurotarget.report.text.numbers import amount, chance, duration, estimate, memory
from neurotarget.report.text.sentences import capital
from neurotarget.stats.arms.comparison import Comparison
from neurotarget.stats.cohort.learning import DOUBTFUL, NOT_LEARNT

Rows = list[list[str]]  # the header first; the first cell of a row is an arm


def summary_rows(comparison: Comparison) -> Rows:
    """Return one row per arm, best first, without columns of unknown values.

    The header comes first; cells are texts with units, and an arm that has not learnt is marked.
    """
    arms, score = comparison.tables["arms"], comparison.headline
    iccs = [str(key) for key in arms if str(key).endswith("_icc_a1")]
    icc = "total_icc_a1" if "total_icc_a1" in iccs else next(iter(iccs), "")
    read = {
        score.metric: (
            f"{capital(score.title)} [95 %]",
            lambda row: estimate(row, score.metric, stem=score.metric, digits=3),
        ),
        "seed_sd": ("SD of seeds", lambda row: number(_number(row, "seed_sd"), 4)),
        "p_best": ("best", lambda row: chance(_number(row, "p_best"))),
        "hd95_mm": ("HD95, mm", lambda row: number(_number(row, "hd95_mm"), 2)),
        "hd95_px": ("HD95, px", lambda row: number(_number(row, "hd95_px"), 2)),
        icc: (f"ICC {icc.removesuffix('_icc_a1')}", lambda row: number(_number(row, icc), 3)),
        "n_failed": ("failed", _failed),
        "parameters": ("parameters", lambda row: amount(_number(row, "parameters"))),
        "train_s": ("training", lambda row: duration(_number(row, "train_s"))),
        "peak_memory_mib": ("memory", lambda row: memory(_number(row, "peak_memory_mib"))),
        "predict_s_per_case": ("a case", lambda row: duration(_number(row, "predict_s_per_case"))),
    }
    known = [key for key in read if key in arms and pd.to_numeric(arms[key]).notna().any()]
    head = ["arm", *(read[key][0] for key in known)]
    lines = [[_named(row), *(read[key][1](row) for key in known)] for _, row in arms.iterrows()]
    return [head, *lines]


def _named(row: Mapping) -> str:
    verdict = row.get("learnt")
    return f"{row['arm']} ({verdict})" if verdict in (NOT_LEARNT, DOUBTFUL) else str(row["arm"])


def markdown(comparison: Comparison, title: str) -> str:
    """Format the comparison as Markdown: sentence, table, verdicts, notes and origin.

    Names and texts of the user are escaped. A warning about arms that have not learnt is in bold at
    the top.
    """
    head, *lines = [[_escaped(cell) for cell in row] for row in summary_rows(comparison)]
    rule = ["---", *["---:"] * (len(head) - 1)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *lines))
    loud = arms_banner(comparison)
    first = [f"**{_escaped(loud.head)}**", *map(_escaped, loud.lines)] if loud else []
    parts = [f"# {_escaped(title)}", *first, _escaped(comparison.sentence), table]
    if texts := verdicts(comparison):
        lines = [f"- {_escaped(arm)}: {_escaped(verdict)}" for arm, verdict in texts.items()]
        parts.append("\n".join(["Verdicts on the hypotheses, over seeds:", "", *lines]))
    if comparison.notes:
        parts.append("\n".join(["Notes:", "", *(f"- {_escaped(one)}" for one in comparison.notes)]))
    if comparison.facts:
        facts = [f"- {_escaped(name)}: {_escaped(one)}" for name, one in comparison.facts.items()]
        parts.append("\n".join(facts))
    return "\n\n".join(parts) + "\n"


def verdicts(comparison: Comparison) -> dict[str, str]:
    """Return the verdicts on the target's hypotheses by the reference and by each arm, as text.

    The reference comes first, arms follow best first; those without a verdict are absent.
    """
    arms = comparison.tables["arms"]
    effects = comparison.tables["effects"]
    by_arm = {}
    if len(effects):
        reference = effects[effects["arm"] == "reference"]
        texts = [f"{row['hypothesis']}: {row['verdict']}" for _, row in reference.iterrows()]
        by_arm[f"reference {target_noun(comparison.target)}"] = "; ".join(texts)
    by_arm |= dict(zip(arms["arm"], arms["verdicts"], strict=True))
    return {str(arm): str(texts) for arm, texts in by_arm.items() if texts}


def _failed(row: Mapping) -> str:
    failed, scored = _number(row, "n_failed"), _number(row, "n_scored")
    return f"{failed:.0f} of {scored:.0f}" if math.isfinite(failed + scored) else DASH


def _number(row: Mapping, key: str) -> float:
    value = row[key]
    return math.nan if pd.isna(value) else float(value)


def _escaped(text: str) -> str:
    """Escape characters that have a meaning in Markdown."""
    for sign in ("\\", "`", "*", "_", "[", "]", "<", ">", "|"):
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())


def listed_files(paths: Mapping[str, object]) -> str:
    """Format at least one name and path of a file in aligned columns, one line each."""
    width = max(map(len, paths))
    return "\n".join(f"{name:<{width}}  {path}" for name, path in paths.items())


def named_after(arms: Sequence[str], most: int = 60) -> str:
    """Join names of arms for a file name: at most `most` letters, digits, `=`, `.`, `-` and `_`."""
    text = "_vs_".join(
        "".join(c if c.isalnum() or c in "=.-" else "_" for c in arm) for arm in arms
    )
    return text[:most].strip("._")
