"""Files of strangers that try to run code, read or write elsewhere, or speak through our output."""

import json
import pickle
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from faults.process import TIMED_OUT, Asked, Ended, Server
from oracles.balls import TARGET

CANARY = "canary"  # a file beside the working folder that only an attack writes
SECRET = "s3cr3t-of-the-user"  # in the environment, and in a file beside the working folder
SCRIPT = "<script>alert(1)</script>"
IMAGE = "<img src=x onerror=alert(1)>"
LINT = ["neurotarget", "lint", "data/manifest.tsv", "target=odd.yaml"]
PREDICT = ["predict.py", "run=run", "input=data/manifest.tsv", "output=out"]
PATTERN = "\x1b]0;owned\x07\x1b[2J"
TURNED = "\u202egpj.exe\u2066"


@dataclass(frozen=True)
class Attack:
    """Files in a working folder, and a command that meets them."""

    name: str
    argv: list[str]
    files: dict[str, bytes | str]  # by path; `{canary}` becomes the path of the canary
    change: dict[str, Any] | None = None  # keys of the run's config.yaml, dotted, and their values


def attacks() -> Iterator[Attack]:
    """Every attack, by what it tries."""
    yield from _calls()
    yield from _pickles()
    yield from _environment()
    yield from _paths()
    yield from _texts()


class Tried:
    """Attacks a fresh copy of one state at a time, and looks for what escaped."""

    def __init__(self, server: Server, state: Path, folder: Path) -> None:
        self.server, self.state = server, state
        self.folder, self.work = folder, folder / "work"

    def __call__(self, attack: Attack) -> tuple[Ended, str]:
        """Run one; how it ended, and what escaped."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.state, self.work, symlinks=True)
        (self.folder / "secret.txt").write_text(SECRET)
        self._write(attack)
        outside = self._outside()
        log = self.folder.with_name(f"{self.folder.name}.log")
        asked = Asked(
            attack.argv,
            str(self.work),
            str(log),
            str(self.work),
            timeout_s=120,
            environment={"NEUROTARGET_SECRET": SECRET},
        )
        ended = self.server.run(asked)
        return ended, self._escaped(ended, outside)

    def _write(self, attack: Attack) -> None:
        canary = str(self.folder / CANARY)
        for name, content in attack.files.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                content = content.replace("{canary}", canary).encode()
            path.write_bytes(content)
        if attack.change:
            for path in (self.work / "run" / "config.yaml",):
                config = yaml.safe_load(path.read_text())
                for key, value in attack.change.items():
                    *parents, last = key.split(".")
                    node = config
                    for parent in parents:
                        node = node[parent]
                    node[last] = json.loads(json.dumps(value).replace("{canary}", canary))
                path.write_text(yaml.safe_dump(config))

    def _outside(self) -> dict[str, bytes]:
        """Everything beside the working folder."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and not path.is_relative_to(self.work)
        }

    def _escaped(self, ended: Ended, outside: dict[str, bytes]) -> str:
        if ended.status == TIMED_OUT:
            return "hung"
        if self._outside() != outside:
            return f"wrote outside: {sorted(self._outside().keys() ^ outside.keys())}"
        if SECRET in ended.text:
            return "printed a secret"
        if any(sign in ended.text for sign in ("\x1b]", "\x1b[2J", "\u202e", "\u2066", "\x9b")):
            return f"printed a code of the terminal: {ended.text[-300:]!r}"
        if "Traceback (most recent call last)" in ended.text:
            return f"printed a traceback: {ended.text[-500:]}"
        return self._spoken()

    def _spoken(self) -> str:
        """What an attack has put into a page or a table."""
        for path in self.work.rglob("*"):
            new = path.is_file() and not (self.state / path.relative_to(self.work)).exists()
            if not new or path.suffix not in (".html", ".tsv", ".csv", ".json", ".md"):
                continue
            text = path.read_text(encoding="utf-8", errors="replace")
            if SECRET in text:
                return f"wrote a secret into {path.name}"
            if path.suffix == ".html" and (SCRIPT in text or IMAGE in text):
                return f"a script stands in {path.name}"
            if path.suffix in (".tsv", ".csv") and _formula(text) and path.name != "manifest.tsv":
                return f"a formula stands in {path.name}: {_formula(text)}"
        return ""


def _formula(text: str) -> str:
    cells = (cell for line in text.splitlines() for cell in line.replace(",", "\t").split("\t"))
    return next((cell for cell in cells if cell.lstrip('"').startswith(("=", "@", "+H"))), "")


# calls that write the canary where they are made
OPENS = {"_target_": "builtins.open", "_args_": ["{canary}", "w"]}
PATH = {"_target_": "pathlib.Path", "_args_": ["{canary}"]}
PAYLOADS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("os.system", {"_target_": "os.system", "_args_": ["touch {canary}"]}),
    ("posix.system", {"_target_": "posix.system", "_args_": ["touch {canary}"]}),
    ("subprocess", {"_target_": "subprocess.run", "_args_": [["touch", "{canary}"]]}),
    ("eval", {"_target_": "builtins.eval", "_args_": ["open('{canary}', 'w')"]}),
    ("open", OPENS),
    ("pathlib", {"_target_": "pathlib.Path.touch", "_args_": [PATH]}),
    ("pandas", {"_target_": "pandas.read_pickle", "filepath_or_buffer": "evil.pkl"}),
    ("torch", {"_target_": "torch.load", "f": "evil.pkl", "weights_only": False}),
    ("numpy", {"_target_": "numpy.load", "file": "evil.npy", "allow_pickle": True}),
    ("joblib", {"_target_": "joblib.load", "filename": "evil.pkl"}),
    ("runpy", {"_target_": "runpy.run_path", "path_name": "evil.py"}),
    ("sympy", {"_target_": "sympy.parsing.sympy_parser.parse_expr", "s": "open('{canary}','w')"}),
    ("a module that ours imports", {"_target_": "neurotarget.models.profile.torch.load"}),
    ("a function of ours", {"_target_": "neurotarget.cli.build.instantiate", "config": OPENS}),
    ("partial", {"_target_": "functools.partial", "_args_": [OPENS]}),
)


class _Evil:
    """Writes the canary where it is unpickled."""

    def __reduce__(self) -> tuple:
        return (exec, ("import pathlib; pathlib.Path('../canary').touch()",))


EVIL = {
    "evil.pkl": pickle.dumps(_Evil()),
    "evil.py": "open('{canary}', 'w')",
}


def _npy() -> bytes:
    from io import BytesIO

    stream = BytesIO()
    np.save(stream, np.array([_Evil()], dtype=object), allow_pickle=True)
    return stream.getvalue()


def _calls() -> Iterator[Attack]:
    """A call hidden in a configuration, at every door where one is read."""
    resume = ["train.py", "resume=run"]
    evil = {**EVIL, "evil.npy": _npy()}
    for name, payload in PAYLOADS:
        text = yaml.safe_dump(payload)
        nested = yaml.safe_load(TARGET)
        yield Attack(f"target: {name}", LINT, {**evil, "odd.yaml": text})
        for key, value in (("question", payload), ("hypotheses", {"q": payload})):
            odd = yaml.safe_dump(nested | {key: value})
            yield Attack(f"target, {key}: {name}", LINT, {**evil, "odd.yaml": odd})
        for key in ("target", "model", "data.preparation"):
            yield Attack(f"run, {key}: {name}", PREDICT, dict(evil), {key: payload})
        for key in ("task.loss", "optimizer", "trainer"):
            yield Attack(f"resumed, {key}: {name}", resume, dict(evil), {key: payload})
        words = yaml.safe_dump([f"+evil={json.dumps(payload)}", "target=ball"])
        yield Attack(f"resumed, overrides: {name}", resume, {**evil, "run/overrides.yaml": words})
    for word in (
        "hydra.callbacks={x: {_target_: os.system, command: 'touch {canary}'}}",
        "+hydra.callbacks.x={_target_: subprocess.run, args: [touch, '{canary}']}",
        "trainer._target_=os.system",
        "model._target_=os.system",
        "optimizer._target_=builtins.exec",
        "data.source._target_=subprocess.Popen",
        "hydra/launcher=submitit_local",
        "hydra.run.dir=../escaped",
        "hydra.searchpath=[file:///tmp]",
        "--config-dir=/tmp",
        "--config-path=/tmp",
        "--info=all",
        "data.cache=../escaped",
        "paths.cache=../escaped",
        "paths.runs=../escaped",
        "logger.wandb=online",
        "pretrained=../secret.txt",
    ):
        files = {"run/overrides.yaml": yaml.safe_dump(["target=ball", word])}
        yield Attack(f"resumed, overrides: {word[:50]}", resume, files)


def _pickles() -> Iterator[Attack]:
    """Files that run code where they are unpickled, or YAML that makes objects."""
    evil = pickle.dumps(_Evil())
    train = ["train.py", "--config-dir=conf", "target=ball", "data.root=data/manifest.tsv"]
    tag = "!!python/object/apply:os.system ['touch {canary}']\n"
    for name, argv in (
        ("run/weights/best.ckpt", PREDICT),
        ("run/weights/last.ckpt", ["train.py", "resume=run"]),
        ("stranger.ckpt", [*train, "pretrained=stranger.ckpt"]),
        ("stranger.safetensors", [*train, "pretrained=stranger.safetensors"]),
        ("data/sub-00.nii.gz", PREDICT),
        ("scans/scan.npy", ["predict.py", "run=run", "input=scans", "output=out"]),
        ("scans/scan.pkl", ["predict.py", "run=run", "input=scans", "output=out"]),
        ("volumes.csv", ["neurotarget", "study", "table=volumes.csv", "target=ball"]),
        ("run/rows.csv", ["neurotarget", "study", "rows=run", "output=s"]),
    ):  # fmt: skip
        yield Attack(f"pickle as {name}", argv, {name: evil})
    for name, argv in (
        ("run/config.yaml", PREDICT),
        ("run/config.yaml", ["neurotarget", "study", "rows=run", "output=s"]),
        ("run/overrides.yaml", ["train.py", "resume=run"]),
        ("odd.yaml", LINT),
        ("run/multirun.yaml", ["train.py", "resume=run"]),
        ("run/multirun.yaml", ["neurotarget", "compare", "run", "output=c"]),
    ):
        yield Attack(f"YAML tag in {name}, {argv[1]}", argv, {name: tag})


def _environment() -> Iterator[Attack]:
    """Configurations that ask for the user's environment or files."""
    for form in ("${oc.env:NEUROTARGET_SECRET}", "${env:NEUROTARGET_SECRET}",
                 "${oc.decode:${oc.env:NEUROTARGET_SECRET}}", "${hydra:runtime.cwd}"):  # fmt: skip
        odd = yaml.safe_dump(yaml.safe_load(TARGET) | {"question": form, "name": form})
        yield Attack(f"target: {form}", LINT, {"odd.yaml": odd})
        unknown = yaml.safe_dump(yaml.safe_load(TARGET) | {"labels": {form: "x"}})
        yield Attack(f"target, labels: {form}", LINT, {"odd.yaml": unknown})
        for key in ("target.name", "target.question", "name"):
            yield Attack(f"run, {key}: {form}", PREDICT, {}, {key: form})
            again = ["neurotarget", "study", "rows=run", "output=s"]
            yield Attack(f"studied run, {key}: {form}", again, {}, {key: form})
        words = yaml.safe_dump(["target=ball", f"name={form}"])
        files: dict[str, bytes | str] = {"run/overrides.yaml": words}
        yield Attack(f"resumed: {form}", ["train.py", "resume=run"], files)


def _paths() -> Iterator[Attack]:
    """Names that lead out of the folder where they belong."""
    head = "case_id\tsubject_id\tt1\tlabel\tage\tsex\n"
    for name in ("../escaped", "/tmp/escaped", "..", "a/../../escaped", "..\\escaped", "~/escaped"):
        row = f"{name}\ts\tsub-00.nii.gz\tsub-00_seg.nii.gz\t20\tF\n"
        manifest: dict[str, bytes | str] = {"data/manifest.tsv": head + row}
        yield Attack(f"case {name}", PREDICT, manifest)
        prepare = ["neurotarget", "prepare", "data/manifest.tsv", "target=ball", "cache=other"]
        yield Attack(f"prepared case {name}", prepare, manifest)
        labels = {name: 1, "shell": 2}
        maps = [*PREDICT, "probabilities=true"]
        yield Attack(f"run, label {name}", maps, {}, {"target.labels": labels})
        jobs = {"words": ["target=ball", "seed=1"], "jobs": [{"name": name, "words": ["seed=1"]}]}
        stranger: dict[str, bytes | str] = {"sweep/multirun.yaml": yaml.safe_dump(jobs)}
        yield Attack(f"job {name}", ["train.py", "resume=sweep"], stranger)
        yield Attack(f"compared job {name}", ["neurotarget", "compare", "sweep"], stranger)
    for file in ("scans/scan.nrrd", "scans/scan.nhdr"):
        text = "NRRD0005\ntype: uchar\ndimension: 3\nsizes: 2 3 3\nencoding: raw\n"
        lines = f"{text}data file: ../../secret.txt\n\n"
        argv = ["predict.py", "run=run", "input=scans", "output=out"]
        yield Attack(f"{file} of a secret", argv, {file: lines})
    listed = {
        "channel_names": {"0": "t1"},
        "labels": {"background": 0, "core": 1, "shell": 2},
        "numTraining": 1,
        "file_ending": ".nii.gz",
        "dataset": {"../../escaped": {"images": ["../data/sub-00.nii.gz"],
                                      "label": "../data/sub-00_seg.nii.gz"}},
    }  # fmt: skip
    argv = ["neurotarget", "prepare", "raw", "target=ball", "cache=other"]
    yield Attack("nnU-Net case above", argv, {"raw/dataset.json": json.dumps(listed)})


def _texts() -> Iterator[Attack]:
    """Texts that would be a page's script, a terminal's code or a table's formula."""
    with_head = "case_id\tsubject_id\tt1\tlabel\tage\tsex\tsite\n"
    study = ["neurotarget", "study", "masks=run/predictions", "manifest=data/manifest.tsv",
             "target=ball", "output=s"]  # fmt: skip
    for kind, text in (
        ("script", SCRIPT),
        ("image", IMAGE),
        ("codes", PATTERN),
        ("bidi", TURNED),
        ("formula", '=HYPERLINK("http://x";"y")'),
        ("formula +", "+HYPERLINK(1)"),
        ("formula @", "@SUM(1)"),
    ):
        names = [f"sub-{number:02d}" for number in range(8)]
        rows = [
            f"{one}\t{one}\t{one}.nii.gz\t{one}_seg.nii.gz\t{20 + n}\t{'FM'[n % 2]}\t{text}"
            for n, one in enumerate(names)
        ]
        yield Attack(f"site: {kind}", study, _manifest(with_head, rows))
        column = with_head.replace("site", text)
        yield Attack(f"column: {kind}", study, _manifest(column, rows))
        odd = [row.replace("sub-00\tsub-00\t", f"{text}\tsub-00\t") for row in rows]
        for argv in (PREDICT, study, ["neurotarget", "lint", "data/manifest.tsv", "target=ball"]):
            yield Attack(f"case: {kind}, {argv[1]}", argv, _manifest(with_head, odd))
        subjects = [row.replace("sub-00\tsub-00\t", f"sub-00\t{text}\t") for row in rows]
        yield Attack(f"subject: {kind}", study, _manifest(with_head, subjects))
        for key in ("target.question", "target.name", "name"):
            again = ["neurotarget", "study", "rows=run", "output=s"]
            yield Attack(f"run, {key}: {kind}", again, {}, {key: text})
        labels = {text: 1, "shell": 2}
        yield Attack(f"run, label: {kind}", PREDICT, {}, {"target.labels": labels})
        target = yaml.safe_dump(yaml.safe_load(TARGET) | {"name": text, "question": text})
        argv = [*study[:4], "target=odd.yaml", "output=s"]
        yield Attack(f"target: {kind}", argv, {"odd.yaml": target})
        unknown = json.dumps({"labels": {text: 1}, "training": [{"image": f"{text}.nii.gz"}]})
        argv = ["neurotarget", "lint", "msd", "target=ball"]
        yield Attack(f"dataset.json: {kind}", argv, {"msd/dataset.json": unknown})
        if "<" not in text and "/" not in text:
            argv = ["predict.py", "run=run", "input=scans", "output=out"]
            yield Attack(f"file name: {kind}", argv, {f"scans/{text}.nii.gz": b"no scan"})


def _manifest(head: str, rows: list[str]) -> dict[str, bytes | str]:
    return {"data/manifest.tsv": head + "\n".join(rows) + "\n"}
