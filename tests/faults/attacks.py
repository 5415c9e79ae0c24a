"""Attacks by files that try to run code, read or write elsewhere, or inject text into output."""

import json
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import yaml

from faults.attack import Attack
from faults.attack_folders import foreign, links, with_run
from faults.attack_texts import texts
from faults.input_files import (
    COMPARE,
    HEAD,
    LINT,
    PREDICT,
    PREDICT_SCANS,
    PREPARE,
    RESUME,
    RESUME_SWEEP,
    STUDY,
    meta_header,
    nrrd_header,
)
from faults.scenarios import TRAINING
from oracles.balls import TARGET

LINT_ODD = [*LINT[:-1], "target=odd.yaml"]


def attacks() -> Iterator[Attack]:
    """Every attack, by what it tries."""
    yield from _calls()
    yield from _pickles()
    yield from _environment()
    yield from _paths()
    yield from texts()
    yield from foreign()
    yield from links()


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
    ("a function of ours", {"_target_": "neurotarget.runs.network.objects.build", "config": OPENS}),
    ("partial", {"_target_": "functools.partial", "_args_": [OPENS]}),
)

COMPARED = ("os.system", "pandas")


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
    evil = {**EVIL, "evil.npy": _npy()}
    for name, payload in PAYLOADS:
        text = yaml.safe_dump(payload)
        nested = yaml.safe_load(TARGET)
        yield Attack(f"target: {name}", LINT_ODD, {**evil, "odd.yaml": text})
        for key, value in (("question", payload), ("hypotheses", {"q": payload})):
            odd = yaml.safe_dump(nested | {key: value})
            yield Attack(f"target, {key}: {name}", LINT_ODD, {**evil, "odd.yaml": odd})
        for key in ("target", "model", "data.preparation"):
            yield Attack(f"run, {key}: {name}", PREDICT, dict(evil), {key: payload})
        # which a run that goes on only compares with its own: one of a kind is enough
        for key in ("task.loss", "optimizer", "trainer") if name in COMPARED else ():
            yield Attack(f"resumed, {key}: {name}", RESUME, dict(evil), {key: payload})
        words = yaml.safe_dump([f"+evil={json.dumps(payload)}", *TRAINING])
        yield Attack(f"resumed, overrides: {name}", RESUME, {**evil, "run/overrides.yaml": words})
    for word in (
        "hydra.callbacks={x: {_target_: os.system, command: 'touch {canary}'}}",
        "+hydra.callbacks.x={_target_: subprocess.run, args: [touch, '{canary}']}",
        "trainer._target_=os.system",
        "model._target_=os.system",
        "optimizer._target_=builtins.exec",
        "data.source._target_=subprocess.Popen",
        "hydra/launcher=submitit_local",
        "hydra.run.dir=../escaped",
        "hydra.searchpath=[file://../outside]",
        "--config-dir=../outside",
        "--config-path=../outside",
        "--info=all",
        "data.cache=../escaped",
        "data.cache='{canary}'",
        "data.source.folder=~/escaped",
        "paths.cache=../escaped",
        "paths.runs=../escaped",
        "logger.wandb=online",
        "sweep.space={paths.cache:../escaped}",
        "pretrained=../secret.txt",
    ):
        files = {"run/overrides.yaml": yaml.safe_dump([*TRAINING, word])}
        yield Attack(f"resumed, overrides: {word[:50]}", RESUME, files)

    for word in (
        "hydra.sweeper.params.paths.cache=../escaped",
        "hydra.sweeper.params.model._target_=os.system",
        "+hydra.sweeper.params.data.cache='{canary}'",
    ):
        words: dict[str, bytes | str] = {
            "sweep/multirun.yaml": yaml.safe_dump({"words": [*TRAINING, word], "jobs": []})
        }
        yield Attack(
            f"resumed multirun: {word[:50]}", RESUME_SWEEP, words, refused="found the override"
        )


def _pickles() -> Iterator[Attack]:
    """Files that run code where they are unpickled, or YAML that makes objects."""
    evil = pickle.dumps(_Evil())
    train = ["train.py", "--config-dir=conf", "target=ball", "data.root=data/manifest.tsv"]
    tag = "!!python/object/apply:os.system ['touch {canary}']\n"
    for name, argv in (
        ("run/weights/best.ckpt", PREDICT),
        ("run/weights/last.ckpt", RESUME),
        ("stranger.ckpt", [*train, "pretrained=stranger.ckpt"]),
        ("stranger.safetensors", [*train, "pretrained=stranger.safetensors"]),
        ("data/sub-00.nii.gz", PREDICT),
        ("scans/scan.npy", PREDICT_SCANS),
        ("scans/scan.pkl", PREDICT_SCANS),
        ("volumes.csv", ["neurotarget", "study", "table=volumes.csv", "target=ball"]),
        ("run/rows.csv", STUDY),
    ):  # fmt: skip
        yield Attack(f"pickle as {name}", argv, {name: evil})
    for name, argv in (
        ("run/config.yaml", PREDICT),
        ("run/config.yaml", STUDY),
        ("run/overrides.yaml", RESUME),
        ("odd.yaml", LINT_ODD),
        ("run/multirun.yaml", RESUME),
        ("run/multirun.yaml", COMPARE),
    ):
        yield Attack(f"YAML tag in {name}, {argv[1]}", argv, {name: tag})


def _environment() -> Iterator[Attack]:
    """Configurations that ask for the user's environment or files."""
    for form in ("${oc.env:NEUROTARGET_SECRET}", "${env:NEUROTARGET_SECRET}",
                 "${oc.decode:${oc.env:NEUROTARGET_SECRET}}", "${hydra:runtime.cwd}"):  # fmt: skip
        odd = yaml.safe_dump(yaml.safe_load(TARGET) | {"question": form, "name": form})
        yield Attack(f"target: {form}", LINT_ODD, {"odd.yaml": odd})
        unknown = yaml.safe_dump(yaml.safe_load(TARGET) | {"labels": {form: "x"}})
        yield Attack(f"target, labels: {form}", LINT_ODD, {"odd.yaml": unknown})
        for key in ("target.name", "target.question", "name"):
            yield Attack(f"run, {key}: {form}", PREDICT, {}, {key: form})
            yield Attack(f"studied run, {key}: {form}", STUDY, {}, {key: form})
        words = yaml.safe_dump([*TRAINING, f"name={form}"])
        files: dict[str, bytes | str] = {"run/overrides.yaml": words}
        yield Attack(f"resumed: {form}", RESUME, files)


def _paths() -> Iterator[Attack]:
    """Names that lead out of the folder where they belong."""
    compare = ["neurotarget", "compare", "sweep", "output=c", "wandb=disabled"]
    for name in ("../escaped", "{canary}", "..", "a/../../escaped", "..\\escaped", "~/escaped"):
        row = f"{name}\ts\tsub-00.nii.gz\tsub-00_seg.nii.gz\t20\tF\n"
        manifest: dict[str, bytes | str] = {"data/manifest.tsv": f"{HEAD}\n{row}"}
        yield Attack(f"case {name}", PREDICT, manifest)
        yield Attack(f"prepared case {name}", PREPARE, manifest)
        labels = {name: 1, "shell": 2}
        maps = [*PREDICT, "probabilities=true"]
        yield Attack(f"run, label {name}", maps, {}, {"target.labels": labels})
        jobs = {"words": ["target=ball", "seed=1"], "jobs": [{"name": name, "words": ["seed=1"]}]}
        stranger: dict[str, bytes | str] = {"sweep/multirun.yaml": yaml.safe_dump(jobs)}
        yield Attack(f"job {name}", RESUME_SWEEP, stranger)
        yield Attack(f"compared job {name}", compare, stranger, write=with_run)
    place = "../../secret.txt"
    for file, content in (
        ("scan.nrrd", nrrd_header(data_file=place) + b"\n\n"),
        ("scan.nhdr", nrrd_header(data_file=place) + b"\n"),
        ("scan.mha", meta_header(ElementDataFile=place)),
        ("scan.mhd", meta_header(ElementDataFile=place)),
    ):
        yield Attack(
            f"{file} of a secret", PREDICT_SCANS, {f"scans/{file}": content}, refused="scan"
        )
    for file, content in (
        ("scan.nhdr", nrrd_header(data_file="scan.raw") + b"\n"),
        ("scan.mhd", meta_header(ElementDataFile="scan.raw")),
    ):
        yield Attack(f"{file} with a link to a secret", PREDICT_SCANS, {f"scans/{file}": content},
                     links={"scans/scan.raw": place}, refused="scan.raw")  # fmt: skip
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
