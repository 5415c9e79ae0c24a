"""The model card of exported networks: Markdown, made from their runs and a text of the author.

The parts made from runs contain no path and no name of a case or person.

Source: Mitchell et al. 2019, doi:10.1145/3287560.3287596.
"""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from neurotarget.files.reading import BROKEN, opened, read_plain
from neurotarget.inference.case_predictor import CasePredictor
from neurotarget.number_text import number
from neurotarget.printable import one_line
from neurotarget.report.sections.outcome_summary import outcomes_table
from neurotarget.report.text.numbers import counted
from neurotarget.report.text.text_tables import scores_table
from neurotarget.runs.folder.run_folder import PEOPLE, read_config
from neurotarget.stats.cohort.learning import LEARNT
from neurotarget.types import Target

GENERATED, SYNTHETIC = "neurotarget.phantom.", "neurotarget.synthesis."
USE = (
    "Research, on scans like those that it was trained on: of the same contrasts, and of similar "
    "people, scanners and resolution. It is not a medical device: do not use its results for "
    "diagnosis or treatment."
)
NO_LICENCE = "None is stated. Ask whoever gave you the file before you pass it on."
LOOK = (
    "Look at the results, above all where the table of a prediction has a note. Other scanners, "
    "ages and diseases than those above were not tested."
)


class Facts(NamedTuple):
    """Sources of a model card.

    Attributes:
        name: heading of the card.
        predictor: of the exported networks.
        runs: folders of the runs, whose records are read.
        weights: best or last.
        change: sentence on how weights of 16 bits change predictions; "" for weights of 32 bits.
    """

    name: str
    predictor: CasePredictor
    runs: tuple[Path, ...]
    weights: str
    change: str


def model_card(facts: Facts, author: str = "") -> str:
    """Markdown with a section for use, results, training, licences, scores and failures.

    Args:
        facts: name, predictor and runs; files of a run that are missing are named as unknown.
        author: Markdown of the author. A section with one of our headings is added to ours, others
            come at the end, and text before the first heading at the top. A section `Licences`
            replaces ours.
    """
    runs = [(read_config(run), read_plain(run / "summary.json"), run) for run in facts.runs]
    sections = {
        "Intended use": [USE],
        "What it predicts": _predicts(facts.predictor.target),
        "Network": _network(facts),
        "Trained on": [_trained(config, summary, run) for config, summary, run in runs],
        "Licences": [NO_LICENCE],
        "Scores": [_scores(summary) for _, summary, _ in runs],
        "Known failures": [*(_failures(summary) for _, summary, _ in runs), LOOK],
    }
    if len(runs) > 1:
        sections["Scores"].append("These are of each network alone; together they were not scored.")
    top, own = _own_sections(author)
    if "Licences" in own:
        sections["Licences"] = []
    texts = {title: [*dict.fromkeys(parts)] for title, parts in sections.items()}
    for title, text in own.items():
        texts[title] = [*texts.get(title, []), text]
    body = [f"## {title}\n" + "\n\n".join(parts) for title, parts in texts.items()]
    return "\n\n".join([f"# {one_line(facts.name)}", *([top] if top else []), *body]) + "\n"


def _own_sections(author: str) -> tuple[str, dict[str, str]]:
    """Text before the first heading `## `, and the text of each section by its heading."""
    top, *parts = re.split(r"^## +", author.replace("\r\n", "\n"), flags=re.MULTILINE)
    split = [part.partition("\n") for part in parts]
    return top.strip(), {title.strip(): text.strip() for title, _, text in split}


def _predicts(target: Target) -> list[str]:
    """Contrasts and grid that scans are brought to, labels with their values, outcomes."""
    sizes = " × ".join(f"{side:g}" for side in target.spacing_mm)
    lines = [f"- Contrasts of a case: {', '.join(target.contrasts)}", f"- Voxels: {sizes} mm"]
    for name, ids in target.labels.items():
        lines.append(f"- {name}: {', '.join(map(str, ids))} in the label maps")
    for one in target.outcomes:
        what = ", ".join(one.classes) if one.is_class else f"in {one.unit}" if one.unit else ""
        lines.append(f"- {one.name}: {one.kind}{f', {what}' if what else ''}")
    question = [target.question] if target.question else []
    return [*map(one_line, question), "\n".join(map(one_line, lines))]


def _network(facts: Facts) -> list[str]:
    """Classes and sizes of the networks, post-processing, precision."""
    members = getattr(facts.predictor, "members", (facts.predictor,))
    nets = [member.net for member in members]
    sizes = [sum(weight.numel() for weight in net.parameters()) for net in nets]
    kinds = Counter(
        f"{type(net).__name__} with {size:,} parameters"
        for net, size in zip(nets, sizes, strict=True)
    )
    lines = [f"- {count} × {kind}, {facts.weights} weights" for kind, count in kinds.items()]
    if len(facts.runs) > len(members):
        lines.append(f"- its weights are the mean of those of {len(facts.runs)} runs")
    if (first := getattr(facts.predictor, "localiser", None)) is not None:
        sides = " × ".join(f"{side:g}" for side in first.predictor.target.spacing_mm)
        kind = type(first.predictor.net).__name__
        lines.append(f"- a localiser ({kind}) at {sides} mm, which runs first")
    if any(member.plain_steps for member in members):
        lines.append("- results are corrected by steps that were chosen on validation cases")
    bits = f"16. {facts.change}" if facts.change else "32"
    return ["\n".join([*lines, f"- bits of a weight: {bits}"])]


def _trained(config: Mapping[str, Any], summary: Mapping[str, Any], run: Path) -> str:
    """Numbers of cases and people, their ages and sex, and where they came from."""
    try:
        lines = [_origin(config), *_people(run)]
        if steps := (summary.get("training") or {}).get("steps"):
            lines.append(f"- {steps:,} steps of training")
    except BROKEN:
        return "The training is not known: files of the run are missing or broken."
    return "\n".join(map(one_line, lines))


def _origin(config: Mapping[str, Any]) -> str:
    data = config["data"]
    source = (data.get("source") or {}).get("_target_", "")
    if str(data.get("_target_")).startswith(SYNTHETIC):
        return "- synthetic scans, made from label maps of the author"
    if str(source).startswith(GENERATED):
        return f"- generated scans ({source}), no people"
    return "- scans and references of the author"


def _people(run: Path) -> list[str]:
    with opened(run / PEOPLE) as stream:
        table = pd.read_csv(stream, sep="\t", dtype={"case_id": str, "subject_id": str})
    counts = table.groupby("split")["case_id"].nunique().to_dict()
    cases = ", ".join(f"{count} {split}" for split, count in sorted(counts.items()))
    lines = [f"- cases: {cases}, of {counted(table['subject_id'].nunique(), 'person')}"]
    trained = table[table["split"] == "train"]
    if "age" in table and (ages := pd.to_numeric(trained["age"], errors="coerce").dropna()).size:
        lines.append(f"- ages in the training: {ages.min():g} to {ages.max():g}")
    if "sex" in table and len(sexes := trained["sex"].dropna().value_counts()):
        listed = ", ".join(f"{count} {sex}" for sex, count in sexes.items())
        lines.append(f"- sex in the training: {listed}")
    return lines


def _scores(summary: Mapping[str, Any]) -> str:
    """Scores on held-out cases, with 95 % intervals in square brackets."""
    try:
        head = f"{counted(summary['n_test'], 'held-out case')}, 95 % intervals in brackets:"
        tables = [scores_table(summary, list(summary["dice"]))] if summary.get("dice") else []
        tables += [outcomes_table(summary["outcomes"])] if summary.get("outcomes") else []
        parts = "\n\n".join(tables)
    except BROKEN:
        parts = ""
    return f"{head}\n\n```\n{parts}\n```" if parts else "It was not scored on held-out cases."


def _failures(summary: Mapping[str, Any]) -> str:
    """Number of held-out cases that failed, and the verdict on the training."""
    try:
        failed, cases = summary["n_failed"], counted(summary["n_test"], "held-out case")
        lines = [f"{failed} of {cases} failed."]
        if poor := summary.get("n_below_half"):
            lines.append(f"{poor} have a poor mask, of Dice below {number(0.5, 1)}.")
        if summary.get("learnt") and summary["learnt"] != LEARNT:
            lines.append(f"Verdict on the training: {summary['learnt']}.")
        return one_line(" ".join(lines))
    except BROKEN:
        return "Failures were not counted."
