"""Permitted values of each setting of `conf/train.yaml` and `conf/predict.yaml`.

Keys are dotted paths, in which `*` stands for one part. Each setting has an entry here, or a reason
in `ELSEWHERE` why it is checked elsewhere; a test checks this for every file of `conf`.
"""

import math
from collections.abc import Mapping

from neurotarget.cli.generated_settings import GENERATED
from neurotarget.cli.job_settings import RECONSTRUCTION, SURVIVAL
from neurotarget.cli.settings import (
    BRANCH,
    FLAG,
    NULL,
    POSITIVE,
    REAL,
    SEED,
    SHARE,
    TEXT,
    Kind,
    either,
    integer,
    listed,
    matching,
    number,
    one_of,
    optional,
    whole,
)
from neurotarget.image_score import IMAGE_SCORES
from neurotarget.outcome import KINDS
from neurotarget.target_fields import ANY, MOST_PIECES

PART = number(0, 1, below=True)
AMOUNT = number(0, 1e9)
WIDTH = integer(1, 65_536)
STEP = either(integer(1, 64), listed(integer(1, 64), 3))
TRIPLE_MM = listed(number(0, 1000, above=True), 3)
SIDES = either(listed(integer(1, 4096), 3), listed(integer(1, 4096), 2))  # two of pictures
RANGE = listed(AMOUNT, 2, rising=True)
SIZES = listed(either(AMOUNT, one_of(math.inf)), 2, rising=True)  # the higher may be infinite
STRENGTH = either(AMOUNT, RANGE)
FACTORS = either(number(1, 100), listed(number(1, 100), 2, rising=True))
COUNTS = either(integer(1, 100), listed(integer(1, 100), 2, rising=True))
LABEL = either(TEXT, REAL)  # a name may be a number
NAME = matching(r"(?!\.)[\w.-]+", "a name of letters, digits, _, - and ., with no . in front")
ANY_IDS = either(integer(-(2**31)), TEXT, listed(either(integer(-(2**31)), TEXT)))
IDS = either(integer(1), TEXT, listed(either(integer(1), TEXT)))  # or names, of a table of labels
INTENSITIES = ("zscore", "zscore_foreground", "zscore_brain", "percentile", "nyul", "none")
LIMIT = number(0, 1e9)  # Lightning takes a share of the batches, or a number of them
MAX_TIME = either(
    NULL,
    matching(r"(?=.*[1-9])\d+:\d\d:\d\d:\d\d", "such as 00:00:15:00 (days:hours:minutes:seconds)"),
    BRANCH,
)
DEVICES = either(
    integer(1, 4096),
    one_of("auto", -1, "-1"),
    matching(r"\d+(,\d+)*,?", "their numbers"),
    listed(integer(0, 4096)),
)
PRECISIONS = one_of(
    *("auto", "32-true", "bf16-mixed", "16-mixed", "16-true", "bf16-true", "64-true"),
    *("32", "16", "64", "bf16", 16, 32, 64, "transformer-engine", "transformer-engine-float16"),
)
OWN = Kind(
    "keys with values, among them _target_, the path of a class or function",
    lambda value: isinstance(value, Mapping) and isinstance(value.get("_target_"), str),
)

GENERAL = {
    "name": either(matching(r"(?!.*(^|/)\.\.(/|$))[^/\x00-\x1f][^\x00-\x1f]*", "a name"), REAL),
    "job": one_of("train", "qsm", "swi", "survival"),
    "seed": SEED,
    "resume": optional(TEXT),
    "cv": optional(integer(2, 1000)),
    "dry_run": FLAG,
    "replay": optional(integer(1, 10**10)),
    "check_memory": FLAG,
    "patch_vox": either(one_of("auto"), SIDES),
    "localise": one_of("propose", "auto", "none"),
    "pretrained": optional(TEXT),
    "monitor": TEXT,
    "weights": one_of("best", "last"),
    "postprocess": one_of("auto", "none"),
    "trust": FLAG,
    "overwrite": FLAG,
    "accept_changed_data": FLAG,
    "held_out": FLAG,
    "fuse": FLAG,
    "metrics": optional(BRANCH),
    "metrics.*": optional(OWN),
    "callbacks": optional(BRANCH),
    "callbacks.*": optional(OWN),
    "windows": BRANCH,
    "windows.overlap": PART,
    "windows.mirror": one_of(True, False, "auto"),
    "paths": BRANCH,
    "paths.*": TEXT,
    "budget": BRANCH,
    "budget.kind": optional(one_of("steps", "minutes", "flops")),
    "budget.epochs": whole(1, 10**7),
    "budget.steps": whole(1, 10**10),
    "budget.minutes": number(0, 1e7, above=True),
    "budget.petaflops": POSITIVE,
    "plan": BRANCH,
    "plan.auto": FLAG,
    "plan.memory_gb": optional(number(0, 1e5, above=True)),
    "logger": BRANCH,
    "logger.wandb": one_of("auto", "online", "offline", "disabled"),
    "logger.project": LABEL,
    "logger.entity": optional(LABEL),
    "logger.group": optional(LABEL),
    "logger.tags": listed(LABEL),
    "logger.pictures": integer(0, 10_000),
}
TARGET = {
    "target": optional(BRANCH),
    "target.name": NAME,
    "target.question": either(matching(".{0}", "empty"), TEXT),
    "target.contrasts": listed(TEXT),
    "target.derived": optional(BRANCH),
    "target.derived.*": TEXT,
    "target.regions": optional(BRANCH),
    "target.regions.*": either(TEXT, integer(1), listed(either(TEXT, integer(1)))),
    "target.labels": either(BRANCH, listed(TEXT)),
    "target.labels.*": IDS,
    "target.label_table": optional(TEXT),
    "target.background": optional(one_of("rest", "others")),
    "target.background_ids": ANY_IDS,
    "target.ignore_ids": ANY_IDS,
    "target.pairs": listed(listed(TEXT, 2)),
    "target.sides": one_of("labels", "split"),
    "target.units": BRANCH,
    "target.units.*": TEXT,
    "target.dimensions": one_of(2, 3),
    "target.spacing_px": optional(listed(number(0, 50, above=True), 2)),
    "target.spacing_mm": TRIPLE_MM,
    "target.size_vox": optional(SIDES),
    "target.slices_last": FLAG,
    "target.outcomes": optional(BRANCH),
    "target.outcomes.*": BRANCH,
    "target.outcomes.*.kind": one_of(*KINDS),
    "target.outcomes.*.classes": listed(LABEL),
    "target.outcomes.*.column": TEXT,
    "target.outcomes.*.unit": TEXT,
    "target.outcomes.*.event": TEXT,
    "target.outcomes.*.is_ordered": FLAG,
    "target.image_score": optional(BRANCH),
    "target.image_score.by": one_of(*IMAGE_SCORES),
    **dict.fromkeys(
        ("target.image_score.top_k_px", "target.image_score.least_area_px"), integer(1)
    ),
    "target.image_score.top_score": number(0, 1, above=True, below=True),
    "target.image_score.bottom_score": number(0, 1, above=True, below=True),
    "target.patch_vox": SIDES,
    "target.roi": optional(BRANCH),
    "target.roi.anchor": one_of("head", "scan", "world"),
    "target.roi.offset_mm": listed(number(-1000, 1000), 3),
    "target.roi.size_mm": TRIPLE_MM,
    "target.volume_range_mm3": BRANCH,
    "target.volume_range_mm3.*": SIZES,
    **dict.fromkeys(("target.area_range_mm2", "target.area_range_px"), BRANCH),
    "target.area_range_mm2.*": SIZES,
    "target.area_range_px.*": SIZES,
    "target.pieces": BRANCH,
    "target.pieces.*": either(NULL, one_of(ANY), integer(1, MOST_PIECES)),
    "target.surface_tolerance_mm": number(0, 100),
    "target.surface_tolerance_px": number(0, 100),
    "target.hypotheses": BRANCH,
    "target.hypotheses.*": either(TEXT, BRANCH),
    "target.hypotheses.*.claim": TEXT,
    "target.hypotheses.*.expected": optional(REAL),
    "target.hypotheses.*.source": TEXT,
    "target.hypotheses.*.matters": either(REAL, TEXT),
    "target.published": listed(BRANCH),
    "target.levels": BRANCH,
    "target.levels.*": BRANCH,
    "target.levels.*.*": TEXT,
    "target.acceptable": BRANCH,
    "target.acceptable.*": number(0, 1e9),
}
DATA = {
    "data": BRANCH,
    "data.root": optional(TEXT),
    "data.preparation": BRANCH,
    "data.preparation.intensity": one_of(*INTENSITIES),
    "data.preparation.clip_percent": optional(listed(number(0, 100), 2, rising=True)),
    "data.preparation.scale": POSITIVE,
    "data.preparation.region_mm": optional(number(0, 1000, above=True)),
    "data.preparation.landmarks": optional(BRANCH),
    "data.preparation.landmarks.*": listed(REAL, 11, rising=True),
    "data.cache": TEXT,
    "data.fold": integer(0, 10_000),
    "data.n_folds": integer(2, 10_000),
    "data.fold_by": optional(TEXT),
    "data.external": optional(BRANCH),
    "data.val_fraction": number(0, 1, above=True, below=True),
    "data.batch_size": integer(1, 65_536),
    "data.patches_per_epoch": integer(1, 10**9),
    "data.foreground_share": SHARE,
    "data.margin_share": number(0, 2),
    "data.patches": one_of("direct", "queue"),
    "data.queue_length": integer(1, 10**6),
    "data.patches_per_region": integer(1, 10**6),
    "data.workers": either(one_of("auto"), integer(0, 1024)),
    "data.seed": SEED,
    "data.split_seed": SEED,
}
AUGMENT = {
    "augment": optional(BRANCH),
    "augment.*": optional(BRANCH),
    "augment.*.p": SHARE,
    "augment.affine.scale": listed(number(0, 10, above=True), 2, rising=True),
    "augment.affine.isotropic": FLAG,
    "augment.*.degrees": either(number(0, 360), listed(number(-360, 360))),
    "augment.affine.translate_mm": either(number(0, 1000), listed(number(0, 1000), 3)),
    "augment.elastic.spacing_mm": number(0, 1000, above=True),
    "augment.elastic.displacement_mm": number(0, 1000),
    "augment.flip.axes": listed(integer(0, 2)),
    "augment.bias_field.coefficients": STRENGTH,
    "augment.bias_field.order": integer(0, 10),
    "augment.motion.translation": either(number(0, 1000), listed(number(-1000, 1000))),
    "augment.motion.num_transforms": integer(1, 100),
    "augment.ghosting.num_ghosts": COUNTS,
    "augment.ghosting.intensity": STRENGTH,
    "augment.low_resolution.downsampling": FACTORS,
    "augment.blur.std": STRENGTH,
    "augment.noise.std": STRENGTH,
    "augment.gamma.log_gamma": either(number(0, 10), listed(number(-10, 10), 2, rising=True)),
}
OPTIMIZER = {
    "lr": number(0, 10, above=True),
    "weight_decay": number(0, 10),
    "eps": number(0, 1, above=True),
    "momentum": PART,
    "nesterov": FLAG,
    "betas": listed(PART, 2),
}
MODEL = {
    **dict.fromkeys(("widths", "blocks", "blocks_down", "depths"), listed(WIDTH)),
    **dict.fromkeys(("width", "base_width", "max_width", "feature_size"), WIDTH),
    "depth": one_of(10, 18, 34, 50),
    "stem_kernel": integer(1, 64),
    "sharpness": number(0, 1000, above=True),
    "stem_stride": integer(1, 64),
    **dict.fromkeys(("pool", "is_flat"), FLAG),
    **dict.fromkeys(("hidden_size", "mlp_dim"), WIDTH),
    "blocks_up": optional(listed(WIDTH)),
    "checkpointing": FLAG,
    **dict.fromkeys(("deep_supervision", "image_skip"), FLAG),
    "dropout": PART,
    "kernel": either(integer(1, 63), listed(integer(1, 63), 3)),
    "max_levels": optional(integer(1, 16)),
    "norm": one_of("instance", "batch", "group"),
    "num_heads": either(WIDTH, listed(WIDTH)),
    "residual": FLAG,
    "size": one_of("S", "B", "M", "L"),
    "spacing_mm": optional(TRIPLE_MM),
    "strides": optional(listed(STEP)),
    "top_width": optional(WIDTH),
    "upsample": one_of("nontrainable", "deconv", "pixelshuffle"),
    "window_vox": integer(1, 64),
}
LOSS = {
    "dice_weight": AMOUNT,
    "cross_entropy_weight": AMOUNT,
    "balance": SHARE,
    "batch_dice": FLAG,
    "include_background": FLAG,
    "ignore_label": optional(integer(0)),
    "smooth": AMOUNT,
}
TASK = {
    "task": BRANCH,
    "task.schedule": optional(BRANCH),
    "task.schedule.warmup_steps": integer(0, 10**9),
    "task.schedule.power": number(0, 10),
    "task.schedule.floor": SHARE,
    "task.ema_decay": optional(number(0, 1, above=True, below=True)),
    "task.channels_last": FLAG,
    "task.class_weights": one_of("none", "balanced"),
    "task.label_smoothing": number(0, 1, below=True),
    "task.delta_sd": number(0, 1000, above=True),
    "trainer": BRANCH,
    "trainer.accelerator": one_of("auto", "cpu", "gpu", "cuda", "mps", "tpu", "hpu"),
    "trainer.devices": DEVICES,
    "trainer.num_nodes": integer(1, 100_000),
    "trainer.strategy": either(TEXT, BRANCH),
    "trainer.precision": PRECISIONS,
    "trainer.max_epochs": either(NULL, one_of(-1), integer(1, 10**7)),
    "trainer.max_steps": either(NULL, one_of(-1), integer(1, 10**10)),
    "trainer.max_time": MAX_TIME,
    "trainer.max_time.*": AMOUNT,
    "trainer.accumulate_grad_batches": integer(1, 10**6),
    "trainer.gradient_clip_val": optional(AMOUNT),
    "trainer.check_val_every_n_epoch": integer(1, 10**7),
    "trainer.val_check_interval": optional(LIMIT),
    **{f"trainer.limit_{split}_batches": optional(LIMIT) for split in ("train", "val", "test")},
    "trainer.num_sanity_val_steps": integer(-1, 10**6),
    "trainer.log_every_n_steps": integer(1, 10**9),
    "trainer.deterministic": optional(one_of(True, False, "warn")),
    "trainer.benchmark": optional(FLAG),
    "trainer.use_distributed_sampler": FLAG,
    "trainer.enable_model_summary": FLAG,
    "trainer.enable_progress_bar": FLAG,
}
CASCADE = {
    "cascade": BRANCH,
    "cascade.localise": FLAG,
    "cascade.spacing_mm": TRIPLE_MM,
    "cascade.patch_vox": SIDES,
    "cascade.region_mm": number(0, 1000, above=True),
    "cascade.margin_mm": number(0, 1000),
    "cascade.folds": integer(2, 1000),
    "cascade.steps": whole(1, 10**9),
    "cascade.batch_size": integer(1, 65_536),
    "cascade.min_confidence": SHARE,
    "cascade.tolerance": number(1, 1e6),
    "cascade.min_inside": SHARE,
    "cascade.seed": SEED,
}
TRAIN: dict[str, Kind] = {
    **GENERAL,
    **TARGET,
    **DATA,
    **GENERATED,
    **AUGMENT,
    **TASK,
    **CASCADE,
    **RECONSTRUCTION,
    **SURVIVAL,
    "model": BRANCH,
    "optimizer": BRANCH,
    "loss": BRANCH,
    **{f"{place}loss.{key}": kind for key, kind in LOSS.items() for place in ("", "task.")},
    **{
        f"{place}optimizer.{key}": kind
        for key, kind in OPTIMIZER.items()
        for place in ("", "cascade.")
    },
    **{f"task.optimizer_for.{key}": kind for key, kind in OPTIMIZER.items()},
    **{f"{place}model.{key}": kind for key, kind in MODEL.items() for place in ("", "cascade.")},
}
PREDICT: dict[str, Kind] = {
    "run": either(TEXT, listed(TEXT)),
    "input": TEXT,
    "series": optional(either(TEXT, integer(0))),
    "output": TEXT,
    "weights": one_of("best", "last"),
    "ensemble": one_of("mean", "soup"),
    "overwrite": FLAG,
    "probabilities": FLAG,
    "layout": one_of("plain", "bids", "deepparcellation"),
    "device": TEXT,
    "overlap": optional(PART),
    "mirror": optional(one_of(True, False, "auto")),
    "postprocess": one_of("run", "none"),
    "trust": FLAG,
    "threads": optional(integer(1, 4096)),
}
ELSEWHERE = {
    "hydra": "Hydra has a schema of its own",
    "sweep": "the search checks its settings before its first trial",
    "data.external": "values by covariate; covariates depend on the data set",
    "target.published": "a list of records, which the target checks",
    "reconstruction.published": "rows of the report",
}
