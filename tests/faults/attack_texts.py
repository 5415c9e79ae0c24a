"""Attacks by texts that a page, a picture, a table or a terminal would interpret."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import yaml

from faults.attack import Attack
from faults.input_files import COMPARE, HEAD, LINT, PREDICT, STUDY
from oracles.balls import TARGET

TEXTS = {
    "markup": '"></script><script>alert(1)</script><img src=x onerror=alert(1)>'
    "<svg onload=alert(1)>",
    "codes": "\x1b]0;owned\x07\x1b[2J",
    "bidi": "\u202egpj.exe\u2066",
    "formula": '=HYPERLINK("http://x";"y")',
    "formula +": "+HYPERLINK(1)",
    "formula @": "@SUM(1)",
    "grammar": "{{ 'owned' ~ -(1000000 + 337) }}{% raw %} $\\frac{\\input{x}$ %s%n {0} %(name)s",
}


def texts() -> Iterator[Attack]:
    """Texts that would be a page's script, a terminal's code or a table's formula."""
    with_head = f"{HEAD}\tsite\n"
    study = ["neurotarget", "study", "masks=run/predictions", "manifest=data/manifest.tsv",
             "target=ball", "output=s"]  # fmt: skip
    for kind, text in TEXTS.items():
        names = [f"sub-{number:02d}" for number in range(8)]
        rows = [
            f"{one}\t{one}\t{one}.nii.gz\t{one}_seg.nii.gz\t{20 + n}\t{'FM'[n % 2]}\t{text}"
            for n, one in enumerate(names)
        ]
        yield Attack(f"site: {kind}", study, _manifest(with_head, rows))
        column = with_head.replace("site", text)
        yield Attack(f"column: {kind}", study, _manifest(column, rows))
        odd = [row.replace("sub-00\tsub-00\t", f"{text}\tsub-00\t") for row in rows]
        for argv in (PREDICT, study, LINT):
            yield Attack(f"case: {kind}, {argv[1]}", argv, _manifest(with_head, odd))
        subjects = [row.replace("sub-00\tsub-00\t", f"sub-00\t{text}\t") for row in rows]
        yield Attack(f"subject: {kind}", study, _manifest(with_head, subjects))
        for key in ("target.question", "target.name", "name"):
            yield Attack(f"run, {key}: {kind}", STUDY, {}, {key: text})
        labels = {text: 1, "shell": 2}
        yield Attack(f"run, label: {kind}", PREDICT, {}, {"target.labels": labels})
        target = yaml.safe_dump(yaml.safe_load(TARGET) | {"name": text, "question": text})
        argv = [*study[:4], "target=odd.yaml", "output=s"]
        yield Attack(f"target: {kind}", argv, {"odd.yaml": target})
        unknown = json.dumps({"labels": {text: 1}, "training": [{"image": f"{text}.nii.gz"}]})
        argv = ["neurotarget", "lint", "msd", "target=ball"]
        yield Attack(f"dataset.json: {kind}", argv, {"msd/dataset.json": unknown})
        odd = yaml.safe_dump(yaml.safe_load(TARGET) | {"labels": {text: 1, "shell": 2}})
        odd_labels: dict[str, bytes | str] = {"odd.yaml": odd}
        yield Attack(
            f"target, label: {kind}", [*study[:4], "target=odd.yaml", "output=s"], odd_labels
        )
        yield Attack(f"a run of such texts, compared: {kind}", COMPARE, {}, write=_spoilt(text))
        yield Attack(f"a run of such texts, studied: {kind}", STUDY, {}, write=_spoilt(text))
        if "/" not in text:
            yield Attack(f"run folder: {kind}", [*COMPARE[:2], text, *COMPARE[3:]], {},
                         write=_renamed(text))  # fmt: skip
        if "<" not in text and "/" not in text:
            argv = ["predict.py", "run=run", "input=scans", "output=out"]
            yield Attack(f"file name: {kind}", argv, {f"scans/{text}.nii.gz": b"no scan"})


def _manifest(head: str, rows: list[str]) -> dict[str, bytes | str]:
    return {"data/manifest.tsv": head + "\n".join(rows) + "\n"}


def _spoilt(text: str) -> Callable[[Path], object]:
    """Replace every text in the JSON files of a run, and cells of its tables."""

    def replaced(value: object) -> object:
        if isinstance(value, dict):
            return {key: replaced(one) for key, one in value.items()}
        if isinstance(value, list):
            return [replaced(one) for one in value]
        return text if isinstance(value, str) else value

    def write(work: Path) -> None:
        for name in ("summary.json", "cost.json", "run.json", "data.json", "postprocessing.json"):
            path = work / "run" / name
            content = replaced(json.loads(path.read_text()))
            path.write_text(json.dumps({**content, text: text}))
        for name, column in (
            ("rows.csv", "subject_id"),
            ("rows.csv", "unit"),
            ("cases.tsv", "sex"),
        ):
            _spoil_column(work / "run" / name, column, text)

    return write


def _spoil_column(path: Path, column: str, text: str) -> None:
    """Replace the first cell of a column by a text, wherever it stands."""
    sign = "\t" if path.suffix == ".tsv" else ","
    table = pd.read_csv(path, sep=sign, dtype=str, keep_default_na=False)
    table[column] = table[column].replace(table[column][0], text)
    table.to_csv(path, sep=sign, index=False)


def _renamed(name: str) -> Callable[[Path], object]:
    return lambda work: (work / "run").rename(work / name)
