"""Attacks by folders with links that lead out of them, and files of other users at output paths."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml

from faults.attack import Attack
from faults.input_files import COMPARE, HEAD, PREDICT, RESUME, RESUME_SWEEP, STUDY
from faults.scenarios import train
from oracles.gre_scans import write_bids

EVALUATE = ["neurotarget", "evaluate", "data/manifest.tsv", "target=ball",
            "predictions=run/predictions"]  # fmt: skip
OUTSIDE, THESIS = "../outside", "../outside/thesis.txt"


def foreign() -> Iterator[Attack]:
    """Files of others where output would go: they are named, and stay as they are."""
    commands = (
        ["neurotarget", "models", "model=resunet", "target=ball", "tsv=theirs.tsv"],
        [*EVALUATE, "rows=theirs.tsv"],
        [*STUDY[:-1], "output=theirs"],
        [*COMPARE[:-1], "output=theirs"],
        [*PREDICT[:-1], "output=theirs"],
        ["neurotarget", "qsm", "bids", "device=cpu", "output=theirs"],
        ["neurotarget", "swi", "bids", "output=theirs"],
        train(run="theirs"),
        ["train.py", "-m", *train()[1:-1], "seed=1,2", "hydra.sweep.dir=theirs"],
    )
    for argv in commands:
        files: dict[str, bytes | str] = {}
        name = argv[-1].partition("=")[2]
        inside = ("report.html", "rows.csv", "maps/a.nii.gz", "notes.txt", "weights/last.ckpt")
        for file in (name,) if "." in name else tuple(f"{name}/{one}" for one in inside):
            files[file] = f"of somebody: {file}"
        command = " ".join(argv[:2])
        named = name if "." in name else "notes.txt"
        yield Attack(f"{command}: over files of others", argv, files, write=_bids, refused=named)
        if "." in name:
            links = {name: THESIS}
        else:
            links = {"theirs": OUTSIDE}
            named = "thesis.txt"
        yield Attack(
            f"{command}: through a link", argv, {}, links=links, write=_bids, refused=named
        )
    for argv in commands:
        if "." in argv[-1]:
            continue
        links = {f"theirs/{name}": f"../{OUTSIDE}" for name in ("study", "maps", "compare", "logs")}
        marked = {"theirs/.neurotarget.sha256": f"-  report.html\n-  {THESIS}\n"}
        yield Attack(f"{' '.join(argv[:2])}: through a link in a folder of ours", argv, marked,
                     links=links, write=_bids, refused="leads to")  # fmt: skip
        yield Attack(f"{' '.join(argv[:2])}: with its record elsewhere", argv, {},
                     links={"theirs/.neurotarget.sha256": f"../{THESIS}"}, write=_bids,
                     refused="theirs")  # fmt: skip


def links() -> Iterator[Attack]:
    """Links in the run of a stranger: none is written through, and no secret is read by one."""
    for name in (
        *("weights", "logs", ".hydra", "predictions", "study", "pictures", "localiser"),
        *("weights/last.ckpt", "logs/metrics.csv", "train.log", ".hydra/config.yaml"),
        *(".running.lock", ".running.lease", ".neurotarget.lock", ".neurotarget.sha256"),
    ):
        link = {f"run/{name}": "../" * (name.count("/") + 2) + "outside/new"}
        for argv in (RESUME, STUDY[:-1]):
            yield Attack(f"{name} leads out, {argv[1]}", argv, {}, links=link, refused="leads to")
    for name, commands in (
        ("config.yaml", (STUDY, COMPARE, PREDICT)),
        ("overrides.yaml", (COMPARE, RESUME)),
        ("rows.csv", (STUDY, COMPARE)),
        ("cases.tsv", (STUDY, COMPARE)),
        ("people.tsv", (STUDY,)),
        ("summary.json", (STUDY, COMPARE)),
        ("run.json", (COMPARE,)),
        ("cost.json", (COMPARE,)),
        ("postprocessing.json", (STUDY, PREDICT)),
        ("weights/best.ckpt", (PREDICT,)),
        ("predictions/volumes.tsv", (STUDY,)),
        ("logs/metrics.csv", (COMPARE,)),
    ):
        link = {f"run/{name}": "../" * (name.count("/") + 2) + "secret.txt"}
        for argv in commands:
            yield Attack(f"{name} is a secret, {' '.join(argv[:2])}", argv, {}, links=link)
    jobs = {"words": ["target=ball", "seed=1"], "jobs": [{"name": "1", "words": ["seed=1"]}]}
    sweep: dict[str, bytes | str] = {"sweep/multirun.yaml": yaml.safe_dump(jobs)}
    for name, target in (
        ("sweep/1", "../../outside"),
        ("sweep/1/job.log", "../../../outside/x"),
        ("sweep/1/result.json", "../../../secret.txt"),
        ("sweep/trials.tsv", "../../secret.txt"),
        ("sweep/.study", "../../outside"),
        ("sweep/multirun.yaml", "../../secret.txt"),
    ):
        for argv in (
            RESUME_SWEEP,
            ["neurotarget", "compare", "sweep", "output=c", "wandb=disabled"],
        ):
            yield Attack(f"{name} leads out, {argv[1]}", argv, sweep,
                         links={name: target}, write=with_run)  # fmt: skip
    yield from _listed()


def _listed() -> Iterator[Attack]:
    """A run of a stranger whose tables name files of the user, and cases that are paths."""
    head = HEAD.replace("age", "split\tage") + "\n"
    for place in ("../secret.txt", "../../secret.txt", "~/secret.txt", "conf/target/ball.yaml"):
        row = f"sub-05\tsub-05\t{place}\t{place}\ttest\t40\tM\n"
        cases: dict[str, bytes | str] = {"run/cases.tsv": head + row}
        for argv in (STUDY, [*COMPARE, "ensembles=true"]):
            yield Attack(f"cases.tsv names {place}, {argv[1]}", argv, cases)
    rows = "case_id,subject_id,split,label,metric,value,unit\n"
    for name in ("../../../canary", "{canary}", "../study/report", "a/../../../canary"):
        lines = [f"{name},{name},test,{label},{metric},0.5," for label in ("core", "shell")
                 for metric in ("dice", "volume", "volume_true")]  # fmt: skip
        table = rows + "\n".join(lines) + "\n"
        named = f"{name}\ts\tsub-05.nii.gz\tsub-05_seg.nii.gz\ttest\t40\tM\n"
        files: dict[str, bytes | str] = {"run/rows.csv": table, "run/cases.tsv": head + named}
        for argv in (STUDY, COMPARE):
            yield Attack(f"rows.csv has the case {name}, {argv[1]}", argv, files)
    boxes = json.dumps({"boxes": {"../../canary": "x"}, "facts": {"x": "../../canary"}})
    yield Attack("boxes.json of a stranger", RESUME, {"run/localiser/boxes.json": boxes})


def with_run(work: Path) -> None:
    """Put a run that is finished beside the jobs of a multirun."""
    shutil.copytree(work / "run", work / "sweep" / "finished")


def _bids(work: Path) -> None:
    """Scans for the commands that reconstruct some."""
    write_bids(work / "bids", ["01"])
