"""Bad inputs: invalid settings, and runs with broken files."""

from collections.abc import Iterator
from pathlib import Path

import torch

from faults.bad_input import Bad, Write
from faults.input_files import COMPARE, PREDICT, RESUME, STUDY, written
from faults.scenarios import train

SETTINGS: tuple[str, ...] = (
    "seed=-1",
    "seed=x",
    "seed=1.5",
    "monitor=val/nothing",
    "weights=worst",
    "postprocess=some",
    "held_out=perhaps",
    "localise=maybe",
    "patch_vox=[100000,16,16]",
    "patch_vox=[16,16]",
    "patch_vox=huge",
    "windows.overlap=1",
    "windows.overlap=-0.5",
    "windows.mirror=maybe",
    "data.fold=x",
    "data.fold=5",
    "data.fold=-1",
    "data.n_folds=1",
    "data.n_folds=1000",
    "data.batch_size=0",
    "data.batch_size=1.5",
    "data.workers=-1",
    "data.workers=1.5",
    "data.workers=many",
    "data.val_fraction=0",
    "data.val_fraction=1",
    "data.val_fraction=nan",
    "data.patches_per_epoch=0",
    "data.foreground_share=2",
    "data.foreground_share=-1",
    "data.margin_share=-1",
    "data.queue_length=0",
    "data.external={site:[nowhere]}",
    "data.fold_by=nothing",
    "data.preparation.intensity=other",
    "data.preparation.clip_percent=[99,1]",
    "data.root=nowhere.tsv",
    "model.widths=[]",
    "model.widths=[0,8]",
    "model.widths=wide",
    "model.nonsense=1",
    "optimizer.lr=x",
    "optimizer.lr=-1",
    "optimizer.lr=nan",
    "optimizer.lr=inf",
    "optimizer.weight_decay=-1",
    "task.ema_decay=2",
    "task.schedule.power=x",
    "task.schedule.warmup_steps=-1",
    "loss.dice_weight=x",
    "trainer.max_epochs=0",
    "trainer.max_epochs=x",
    "trainer.max_time=soon",
    "trainer.precision=9",
    "trainer.accelerator=abacus",
    "trainer.devices=-7",
    "trainer.gradient_clip_val=-1",
    "trainer.check_val_every_n_epoch=0",
    "trainer.accumulate_grad_batches=0",
    "budget=steps budget.steps=0",
    "budget=steps budget.steps=-5",
    "budget=minutes budget.minutes=-1",
    "budget=minutes budget.minutes=nan",
    "budget=flops budget.petaflops=0",
    "augment.affine.p=2",
    "augment.affine.degrees=x",
    "augment.flip.axes=[7]",
    "augment.noise.std=[-1,0]",
    "augment.affine.scale=[0,0]",
    "logger.pictures=x",
    "logger.pictures=-1",
    "logger.wandb=sometimes",
    "plan=auto plan.memory_gb=-1",
    "cascade=localise cascade.steps=0",
    "cascade=localise cascade.folds=1",
    "cascade=localise cascade.spacing_mm=[0,1,1]",
    "cascade=localise cascade.margin_mm=-1",
    "pretrained=nowhere",
    "model=nothing",
    "target=nothing",
    "experiment=nothing",
    "data.nonsense=1",
    "nonsense=1",
    "+target.labels.core=-1",
)
PREDICTION: tuple[str, ...] = (
    "threads=0",
    "threads=x",
    "overlap=1",
    "overlap=x",
    "mirror=maybe",
    "weights=worst",
    "ensemble=median",
    "postprocess=some",
    "overwrite=perhaps",
    "probabilities=perhaps",
    "device=abacus",
    "run=nowhere",
    "run=[]",
    "input=nowhere",
    "input=/dev/zero",
    "input=conf",
    "output=data/sub-00.nii.gz",
    "output=/proc/nowhere",
    "nonsense=1",
)
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("nothing",),
    ("lint",),
    ("lint", "nowhere.tsv"),
    ("lint", "data/manifest.tsv", "target=nothing"),
    ("lint", "data/manifest.tsv", "nonsense=1"),
    ("lint", "data/manifest.tsv", "target="),
    ("lint", "~nosuchuser/manifest.tsv"),
    ("prepare", "data/manifest.tsv", "target=ball", "workers=0"),
    ("prepare", "data/manifest.tsv", "target=ball", "workers=\u00b2"),
    ("prepare", "data/manifest.tsv", "target=ball", "workers=--1"),
    ("prepare", "data/manifest.tsv", "target=ball", f"workers={'9' * 5000}"),
    ("prepare", "data/manifest.tsv", "target=ball", "cache=data/manifest.tsv"),
    ("evaluate", "data/manifest.tsv", "target=ball"),
    ("evaluate", "data/manifest.tsv", "target=ball", "predictions=nowhere"),
    ("evaluate", "data/manifest.tsv", "target=ball", "predictions=run/predictions", "rows=/proc/x"),
    ("study", "rows=nowhere"),
    ("study", "rows=data"),
    ("study", "rows=run", "seed=x"),
    ("study", "rows=run", "seed=-1"),
    ("study", "rows=run", "ask=nothing"),
    ("study", "masks=nowhere", "target=ball"),
    ("study", "table=nowhere", "target=ball"),
    ("study", "rows=run", "output=data/manifest.tsv"),
    ("radiomics", "table=nowhere", "outcome=age"),
    ("radiomics", "table=data/manifest.tsv", "outcome=nothing"),
    ("radiomics", "table=data/manifest.tsv", "outcome=age"),
    ("survival", "table=nowhere", "time=age", "clinical=age"),
    ("survival", "table=data/manifest.tsv", "time=nothing", "clinical=age"),
    ("survival", "table=data/manifest.tsv", "time=t1", "clinical=age"),
    ("survival", "table=data/manifest.tsv", "time=age", "clinical=age", "output=/proc/x"),
    ("survival", "table=data/manifest.tsv", "time=age", "clinical=age", "months=12,6"),
    ("compare", "nowhere"),
    ("compare", "data"),
    ("compare", "run", "seed=x"),
    ("compare", "run", "wandb=sometimes"),
    ("compare", "run", "ensembles=perhaps"),
    ("models", "model=nothing"),
    ("models", "batch=0"),
    ("models", "batch=x"),
    ("models", "patch=1,2"),
    ("models", "patch=0,0,0"),
    ("models", "patch=100000,100000,100000"),
    ("relabel", "nowhere", "numbering=freesurfer", "output=maps"),
    ("relabel", "run/predictions", "numbering=aal", "output=maps"),
    ("relabel", "run/predictions", "numbering=nowhere.tsv", "output=maps"),
    ("relabel", "run/predictions", "numbering=run/rows.csv", "output=maps"),
    ("relabel", "run/predictions", "numbering=freesurfer", "output=run/predictions"),
    ("fuse", "nowhere", "output=maps"),
    ("fuse", "run/predictions", "output=maps", "method=best"),
    ("features", "nowhere", "output=maps"),
    ("features", "data/manifest.tsv", "output=maps", "bins=0"),
    ("features", "data/manifest.tsv", "output=maps", "bins=8", "bin_size=1"),
    ("features", "data/manifest.tsv", "output=maps", "labels=core"),
    ("features", "data/manifest.tsv", "output=maps", "families=textures"),
    ("features", "data/manifest.tsv", "output=maps", "masks=nowhere"),
    ("qsm", "nowhere", "output=maps"),
    ("qsm", "data", "output=maps"),
    ("qsm", "data", "output=maps", "device=abacus"),
    ("swi", "data", "output=maps"),
)


def runs() -> Iterator[Bad]:
    """Settings of every command, and runs with broken files."""
    for words in SETTINGS:
        key = words.split()[-1].partition("=")[0].lstrip("+").rpartition(".")[2]
        argv = [*train(run="other")[:-1], *words.split(), "hydra.run.dir=other"]
        yield Bad(f"train {words}", argv, _nothing, "" if key == "labels" else key)
    for word in PREDICTION:
        given = {"run": "run", "input": "data/manifest.tsv", "output": "out"}
        key, _, value = word.partition("=")
        argv = ["predict.py", *(f"{k}={v}" for k, v in (given | {key: value}).items())]
        yield Bad(f"predict {word}", argv, _nothing, "")
    for words in COMMANDS:
        name = " ".join(words)[:60]
        yield Bad(f"neurotarget {name}", ["neurotarget", *words], _nothing)
    for name, content in BROKEN.items():
        yield Bad(
            f"config.yaml {name}", PREDICT, written("run/config.yaml", content), "config.yaml"
        )
        yield Bad(f"overrides.yaml {name}", RESUME, written("run/overrides.yaml", content), "")
        yield Bad(f"rows.csv {name}", STUDY, written("run/rows.csv", content), "rows.csv")
        yield Bad(f"best.ckpt {name}", PREDICT, written("run/weights/best.ckpt", content), "best")
        yield Bad(f"last.ckpt {name}", RESUME, written("run/weights/last.ckpt", content), "last")
        # these are made anew, or leave out what they would add
        for file, argv in (
            ("run/run.json", RESUME),
            ("run/cost.json", COMPARE),
            ("run/summary.json", COMPARE),
            ("run/splits.tsv", RESUME),
            ("run/logs/metrics.csv", RESUME),
            ("run/postprocessing.json", PREDICT),
        ):
            yield Bad(f"{file} {name}", argv, written(file, content), accepted=True)
    for name, change in (
        ("an empty table", lambda state: state.clear()),
        ("no epoch", lambda state: state.pop("epoch")),
        ("no step", lambda state: state.pop("global_step")),
        ("no weights", lambda state: state.pop("state_dict")),
        ("no optimizer", lambda state: state.pop("optimizer_states")),
        ("no loops", lambda state: state.pop("loops")),
        ("weights that are a text", lambda state: state.update(state_dict="none")),
        ("an epoch in letters", lambda state: state.update(epoch="one")),
        ("callbacks that are a list", lambda state: state.update(callbacks=[1])),
    ):
        write = _checkpoint("run/weights/last.ckpt", change)
        yield Bad(f"last.ckpt with {name}", RESUME, write, accepted=name.startswith(("no loops",)))
    for name, change in (
        ("weights of NaN", _filled(float("nan"))),
        ("infinite weights", _filled(float("inf"))),
        ("weights of another net", lambda state: state["state_dict"].popitem()),
    ):
        yield Bad(f"best.ckpt with {name}", PREDICT, _checkpoint("run/weights/best.ckpt", change))


BROKEN = {"empty": b"", "a list": b"[1, 2]", "cut": b"{a: [1,", "binary": b"\x89PNG\0\xff\xfe\0"}


def _nothing(folder: Path) -> None:
    """The files are as they should be."""


def _checkpoint(name: str, change) -> Write:
    def write(folder: Path) -> None:
        state = torch.load(folder / name, weights_only=True)
        change(state)
        torch.save(state, folder / name)

    return write


def _filled(value: float):
    def change(state: dict) -> None:
        for tensor in state["state_dict"].values():
            if tensor.is_floating_point():
                tensor.fill_(value)

    return change
