"""Every setting of every file of conf has a type and a range, and what is outside is refused."""

import copy
import math
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from neurotarget.cli.arguments import read_value
from neurotarget.cli.configs.check_config import check_predict, check_train
from neurotarget.cli.configs.overrides import check_overrides
from neurotarget.cli.configs.setting_table import ELSEWHERE, PREDICT, TRAIN
from neurotarget.cli.settings import check_settings, integer, kind_of, number, one_of
from neurotarget.problems import DataError

CONF = Path(__file__).parents[2] / "conf"
GROUPS = sorted(
    f"{file.parent.relative_to(CONF).as_posix()}={file.stem}"
    for file in CONF.glob("*/**/*.yaml")
    if not file.is_relative_to(CONF / "hydra")
)
SMALL = "model/small="  # variants that set the same settings
SOME = [*(one for one in GROUPS if SMALL not in one), *[one for one in GROUPS if SMALL in one][::8]]
TABLES = {"train": TRAIN, "predict": PREDICT}


def word_of(choice: str) -> str:
    """`model/small=unet` as it stands on the command line."""
    group, _, name = choice.partition("=")
    first, _, rest = group.partition("/")
    return f"{first}={rest}/{name}" if rest else choice


@cache
def composed(name: str, *arguments: str, is_resolved: bool = True) -> dict:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return OmegaConf.to_container(compose(name, list(arguments)), resolve=is_resolved)


def whole_config(choice: str) -> dict:
    group, _, name = choice.partition("=")
    text = (CONF / group / f"{name}.yaml").read_text()
    is_plain = "/" not in group and not re.search(r"(?m)^defaults:|^# @package", text)
    if is_plain or group == "model":  # as Hydra does, which takes half a second
        config = OmegaConf.create(composed("train", "target=pituitary", is_resolved=False))
        settings = OmegaConf.create(text)
        settings = OmegaConf.create({group: settings}) if is_plain else settings
        settings.pop("defaults", None)  # choices of other groups, which are tested by themselves
        config.pop(group, None)
        return OmegaConf.to_container(OmegaConf.merge(config, settings), resolve=True)
    word = word_of(choice)
    target = [] if word.startswith(("target=", "experiment=")) else ["target=pituitary"]
    return composed("train", *target, word)


def leaves(node: dict, above: str = "") -> Iterator[str]:
    for name, value in node.items():
        if isinstance(value, dict) and value and not str(name).startswith("_"):
            yield from leaves(value, f"{above}{name}.")
        elif not str(name).startswith("_"):
            yield f"{above}{name}"


def put(config: dict, key: str, value: object) -> dict:
    changed = copy.deepcopy(config)
    *path, last = key.split(".")
    node = changed
    for name in path:
        node = node[name]
    node[last] = value
    return changed


@pytest.mark.parametrize("choice", SOME)
def test_the_table_has_every_setting_of_a_file_and_takes_its_value(choice):
    config = whole_config(choice)
    check_train(config)
    absent = [
        key
        for key in leaves(config)
        if kind_of(key, TRAIN) is None and not key.startswith(tuple(ELSEWHERE))
    ]
    assert absent == []


def test_the_table_has_every_setting_of_a_prediction():
    config = composed("predict")
    check_predict(config)
    assert {key for key in config if kind_of(key, PREDICT) is None} == set()


def nested(key: str, value: object) -> dict:
    for name in reversed(key.split(".")):
        value = {name: value}
    return value


def test_no_setting_takes_what_is_no_value():
    keys = {key for choice in GROUPS[::7] for key in leaves(whole_config(choice))}
    named = {key: kind for key in sorted(keys) if (kind := kind_of(key, TRAIN)) is not None}
    assert len(named) > 100
    for key, kind in named.items():
        empty = [] if "keys with values" in kind.wanted else [{}]
        no_value = [math.nan, -math.inf, [math.nan], 10**400, "a\x1b[31m", object(), *empty]
        for value in no_value:
            with pytest.raises(DataError, match=f"^{key}: found .*, wanted "):
                check_settings(nested(key, value), TRAIN)


WRONG = """
seed=-1 seed=x seed=1.5 seed=null seed=4294967296 patch_vox=[100000,16,16] patch_vox=[16]
patch_vox=[0,16,16] patch_vox=16 patch_vox=[4096,4096,4096] patch_vox=x patch_vox=[1.5,16,16]
localise=x weights=x postprocess=x postprocess=true held_out=1 held_out=x windows.overlap=1
windows.overlap=-0.1 windows.mirror=x windows.mirror=1 windows.centre=x windows=x trust=1 job=x
name=null name=../a data.stratify=1
data.batch_size=0 data.batch_size=x data.batch_size=1.5 data.batch_size=true data.fold=x
data.fold=-1 data.n_folds=1 data.n_folds=0 data.n_folds=x data.val_fraction=0 data.val_fraction=1
data.val_fraction=-1 data.val_fraction=x data.workers=-1 data.workers=1.5 data.workers=x
replay=0 replay=1.5 replay=7 check_memory=2 cv=1 cv=x
dry_run=x
data.patches_per_epoch=0 data.patches_per_epoch=1 data.foreground_share=2 data.foreground_share=-1
data.margin_share=-1 data.queue_length=0 data.seed=-1 data.split_seed=x data.external=x
data.preparation.intensity=x data.preparation.clip_percent=[99,1] data.preparation.clip_percent=1
data.preparation.clip_percent=[-1,101] data.preparation.scale=0 data.source=x optimizer.lr=x
optimizer.lr=0 optimizer.lr=-1 optimizer.lr=nan optimizer.lr=inf optimizer.lr=1e99
optimizer.weight_decay=-1 optimizer.weight_decay=x optimizer=null model.widths=[-1,2]
model.widths=x model.dropout=2 model.dropout=-1 model.norm=x model.deep_supervision=x
model.top_width=0 loss.dice_weight=-1 loss.smooth=nan task.schedule.warmup_steps=-1
task.schedule.warmup_steps=1.5 task.schedule.power=x task.schedule.floor=2 task.ema_decay=1
task.ema_decay=0 task.ema_decay=x task.channels_last=x task.schedule=x trainer.accelerator=x
task.schedule.epoch_factor=0 task.schedule.epoch_factor=1.1 task.keep_gradients=x
trainer.devices=0 trainer.devices=x trainer.devices=1.5 trainer.devices=-2 trainer.num_nodes=0
trainer.precision=x trainer.precision=8 trainer.max_epochs=0 trainer.max_epochs=x
trainer.max_epochs=-2 trainer.max_time=x trainer.max_time=5 trainer.max_time=00:00:00:00
trainer.max_time=15:00 trainer.gradient_clip_val=-1 trainer.gradient_clip_val=x
trainer.check_val_every_n_epoch=0 trainer.log_every_n_steps=x trainer.deterministic=x
+trainer.accumulate_grad_batches=0 +trainer.accumulate_grad_batches=1.5 +trainer.max_steps=0
+trainer.limit_train_batches=-1 budget.kind=x budget.epochs=0 budget.epochs=x budget.epochs=1e99
logger.pictures=x logger.pictures=-1 logger.pictures=1.5 logger.wandb=x logger.tags=x
logger.project=null plan.auto=x plan.memory_gb=0 plan.memory_gb=nan augment.affine.p=2
augment.affine.p=-1 augment.affine.p=x augment.affine.scale=[1.15,0.85] augment.affine.scale=[0,1]
augment.affine.degrees=-1 augment.elastic.spacing_mm=0 augment.flip=5 augment.flip.axes=[3]
augment.flip.axes=0 augment.noise.std=[-1,1] augment.blur.std=x augment.motion.num_transforms=0
augment.ghosting.num_ghosts=[6,2] augment.gamma.log_gamma=nan
augment.low_resolution.downsampling=[0,1] augment.bias_field.order=-1 augment.gamma=x
cascade.localise=x cascade.folds=1 cascade.steps=0 cascade.min_confidence=2 cascade.tolerance=0
cascade.spacing_mm=[0,4,4] cascade.optimizer.lr=-1 cascade.model.widths=x
target.spacing_mm=[0,1,1] target.spacing_mm=[1,1] target.spacing_mm=[nan,1,1]
target.labels.pituitary=-1 target.labels.pituitary=0 +target.background=x
target.labels.pituitary=1.5 target.labels=x target.patch_vox=[0,1,1]
target.surface_tolerance_mm=-1 target.roi.size_mm=[0,1,1] target.roi=x target.roi.anchor=x
target.name=../a target.volume_range_mm3.pituitary=[9,1] target.sides=x target.contrasts=t1
""".split()  # noqa: SIM905
ALSO = [
    ["budget=steps", "budget.steps=0"],
    ["budget=steps", "budget.steps=-5"],
    ["budget=steps", "budget.steps=1e99"],
    ["budget=steps", "budget.steps=1.5"],
    ["budget=minutes", "budget.minutes=0"],
    ["budget=minutes", "budget.minutes=inf"],
    ["budget=flops", "budget.petaflops=x"],
    ["loss.dice_weight=0", "loss.cross_entropy_weight=0"],
    ["data=phantom", "data.source.plan.num_cases=0"],
    ["data=phantom", "data.source.plan.age_range=[80,20]"],
    ["data=phantom", "data.source.plan.share_women=2"],
    ["experiment=qsm", "reconstruction.pictures=-1"],
    ["experiment=qsm", "reconstruction.handedness=2"],
    ["experiment=swi", "reconstruction.mask_power=0"],
]


def value_of(word: str) -> object:
    (parsed,) = OverridesParser.create().parse_overrides([word])
    return parsed.value()


@pytest.mark.parametrize("word", WRONG)
def test_a_wrong_setting_is_refused_by_name(word):
    key, config = word.partition("=")[0].lstrip("+"), composed("train", "target=pituitary")
    with pytest.raises(DataError, match=rf"(?m)^{key}: found .*, wanted "):
        check_train(put(config, key, value_of(word)))


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("target.spacing_mm=[1,1]", "wanted a list of 3"),
        ("trainer.max_time=15min", "found '15min', wanted"),
        ("model.norm=layer", "wanted one of instance, batch, group"),
        ("seed=abc", "wanted a whole number"),
        ("logger.wandb=onlin", "wanted one of auto, online, offline, disabled"),
    ],
)
def test_a_wrong_setting_is_answered_with_what_is_wanted(word, wanted):
    config = composed("train", "target=pituitary")
    with pytest.raises(DataError, match=wanted):
        check_train(put(config, word.partition("=")[0], value_of(word)))


@pytest.mark.parametrize(
    ("word", "advice"), [("budget=hours", ""), ("model=resunett", "; did you mean model=resunet?")]
)
def test_a_choice_that_conf_does_not_have_is_named(word, advice):
    with pytest.raises(DataError) as caught:
        check_overrides(["target=pituitary", word], CONF, "train")
    assert f"{word}: no such choice{advice}" in str(caught.value)


@pytest.mark.parametrize("arguments", [*([word] for word in WRONG[::80]), *ALSO[::4]], ids=" ".join)
def test_a_wrong_setting_is_refused_before_anything_is_read(arguments):
    target = [] if arguments[0].startswith("experiment=") else ["target=pituitary"]
    with pytest.raises(DataError) as caught:
        check_overrides([*target, *arguments], CONF, "train")
    key = arguments[-1].partition("=")[0].lstrip("+")
    assert key.rpartition(".")[0] in str(caught.value)
    assert "; correct it on the command line or in conf" in str(caught.value)


PREDICTING = """
weights=x ensemble=x overwrite=x overwrite=1 probabilities=2 overlap=1 overlap=x overlap=nan
mirror=x mirror=1 postprocess=x trust=x trust=1 threads=0 threads=x threads=1.5 threads=-1
series=[1] run=5
""".split()  # noqa: SIM905


@pytest.mark.parametrize("word", PREDICTING)
def test_a_wrong_setting_of_a_prediction_is_refused(word):
    key, config = word.partition("=")[0], composed("predict", "input=a", "output=b", "run=c")
    with pytest.raises(DataError, match=f"^{key}: found .*, wanted "):
        check_predict(put(config, key, value_of(word)))


@pytest.mark.parametrize("word", PREDICTING[::8])
def test_a_wrong_setting_of_a_prediction_is_refused_before_anything_is_read(word):
    with pytest.raises(DataError, match=f"^{word.partition('=')[0]}: found .*, wanted "):
        check_overrides(["input=a", "output=b", "run=c", word], CONF, "predict")


def test_every_wrong_setting_is_named_at_once():
    config = put(put(composed("train", "target=pituitary"), "seed", -1), "data.fold", "x")
    with pytest.raises(DataError) as caught:
        check_train(config)
    assert [problem.file for problem in caught.value.problems] == ["seed", "data.fold"]


def test_settings_of_a_class_of_ones_own_are_its_own_affair():
    node = {"_target_": "mine.Net", "widths": "wide", "kernel": "gauss"}
    check_settings({"model": node}, TRAIN)
    node["_target_"] = "neurotarget.models.nets.unet.UNet"
    with pytest.raises(DataError, match=r"model.widths: found 'wide', wanted a list"):
        check_settings({"model": node}, TRAIN)


def test_ends_belong_to_a_range_or_do_not():
    assert number(0, 1).fits(1)
    assert not number(0, 1, below=True).fits(1)
    assert not number(0, 1, above=True).fits(0)
    assert not one_of(1, 2).fits(True)
    assert not one_of(True, False).fits(0)


@pytest.mark.parametrize("text", ["", "-1", "--1", "1.5", "²", "1e3", "x", "0", "99", "1" * 5000])
def test_a_number_of_a_command_is_a_number(text):
    with pytest.raises(DataError, match=r"workers: got .*, wanted a whole number from 1 to 8"):
        read_value("workers", text, Annotated[int, integer(1, 8)])
    assert read_value("workers", "8", Annotated[int, integer(1, 8)]) == 8
