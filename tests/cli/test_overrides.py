import shlex

import pytest
from hydra.core.global_hydra import GlobalHydra

from neurotarget.cli.configs.overrides import check_overrides
from neurotarget.problems import DataError

CONF = {
    "train.yaml": """
        defaults: [_self_, {model: unet}, {trainer: default}, {target: null}, {experiment: null}]
        seed: 1
        name: a_run
        data: {root: null, batch_size: 2}
    """,
    "model/unet.yaml": "widths: [16, 32]",
    "model/segresnet.yaml": "filters: 8",
    "model/small/unet.yaml": "widths: [8, 16]",
    "trainer/default.yaml": "{max_time: null, max_epochs: 200}",
    "target/gland.yaml": "name: gland",
    "experiment/pituitary.yaml": "# @package _global_\ndefaults: [{override /model: segresnet}]",
    "experiment/hippocampus.yaml": "# @package _global_\nseed: 2",
}


@pytest.fixture
def check(tmp_path):
    for name, text in CONF.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return lambda *argv: check_overrides(argv, tmp_path, "train")


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("experiment=pituitary", "model.filters=16", "trainer.max_time=00:00:15:00"),
        ("+trainer.limit_train_batches=3", "++seed=4", "~data.batch_size"),
        ("hydra.run.dir=runs/here", "data.root='/a folder (1)/x,y'"),
        ("-m", "model=unet,segresnet", "seed=1,2,3"),
        ("--multirun", "seed=range(1,100)", "trainer.max_epochs=interval(1,9)", "model=glob(*)"),
    ],
)
def test_a_right_command_line_passes(check, argv):
    check(*argv)
    assert not GlobalHydra.instance().is_initialized()


@pytest.mark.parametrize("flags", [("--help",), ("--cfg", "job"), ("--info", "plugins")])
def test_hydras_own_flags_are_left_to_hydra(check, flags):
    check("trainer.max_tme=1", *flags)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ("trainer.max_tme=00:15:00",),
            "trainer.max_tme: no such key; did you mean trainer.max_time? "
            "(add a new key with +trainer.max_tme=...)",
        ),
        (
            ("max_time=1",),
            "max_time: no such key; did you mean trainer.max_time? "
            "(add a new key with +max_time=...)",
        ),
        (
            ("modle=unet",),
            "modle: no such key; did you mean model? (add a new key with +modle=...)",
        ),
        (("zzzzz=1",), "zzzzz: no such key; (add a new key with +zzzzz=...)"),
        (
            ("hydra.run.dri=x",),
            "hydra.run.dri: no such key; did you mean hydra.run.dir? "
            "(add a new key with +hydra.run.dri=...)",
        ),
        (
            ("experiment=pituitray",),
            "experiment=pituitray: no such choice; did you mean experiment=pituitary? "
            "(choices: hippocampus, pituitary)",
        ),
        (
            ("+experiment=zzz",),
            "experiment=zzz: no such choice; (choices: hippocampus, pituitary)",
        ),
        (
            ("~trainer.max_tme",),
            "~trainer.max_tme: no such key to remove; did you mean trainer.max",
        ),
        (("seed",), "seed: found no value, wanted seed=<value>"),
        (("=3",), "=3: found no key, wanted <key>=<value>"),
        (
            ("data.root=/a (1)/x.csv",),
            "data.root=/a (1)/x.csv: the value cannot be read; put quotes around the whole and "
            "around the value: 'data.root=\"/a (1)/x.csv\"'",
        ),
        (
            ("model=unet,segresnet",),
            "model=unet,segresnet: found several values, wanted one; add -m",
        ),
        (
            ("model=null",),
            "model=null: found no choice, wanted model=<segresnet | unet>; choose one, or leave",
        ),
        (("+experiment=3",), "+experiment=3: found no choice, wanted experiment=<hippocampus | "),
        (("-m", "model=unet,null"), "model=null: found no choice"),
        (("+seed=3",), "An item is already at 'seed'"),
    ],
)
def test_a_slip_is_answered_by_one_sentence(check, argv, message):
    with pytest.raises(DataError) as error:
        check(*argv)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_key_is_looked_for_in_the_chosen_experiment(check):
    with pytest.raises(
        DataError, match=r"model\.filtres: no such key; did you mean model\.filters"
    ):
        check("experiment=pituitary", "model.filtres=16")


def test_a_list_where_keys_belong_is_answered_with_the_keys(check):
    error = r"data=\[west\]: found no keys, .* set 'data=\{root: null, batch_size: 2\}'"
    with pytest.raises(DataError, match=error):
        check("data=[west]")


def test_every_group_choice_of_a_sweep_is_checked(check):
    with pytest.raises(DataError, match=r"model=sgresnet: .*did you mean model=segresnet"):
        check("-m", "seed=1,2", "model=unet,sgresnet")


def test_the_key_of_a_sweep_is_checked(check):
    with pytest.raises(DataError, match=r"trainer\.max_epoch: .*did you mean trainer\.max_epochs"):
        check("-m", "trainer.max_epoch=interval(1,9)")


def test_a_group_that_is_requested_but_not_chosen_lists_its_choices(check):
    error = (
        r"target: nothing is chosen; set target=<gland> or experiment=<hippocampus \| pituitary>"
    )
    with pytest.raises(DataError, match=error):
        check("name=${target.name}")
    check("name=${target.name}", "target=gland")


def test_a_reference_to_nothing_is_reported(check):
    with pytest.raises(
        DataError, match=r"name: Interpolation key 'sede' not found; check the name"
    ):
        check("name=${sede}")


def test_what_only_a_running_job_knows_passes(check):
    check("name=run_${hydra:job.num}_${now:%Y}")


def test_a_choice_without_a_small_variant_is_reported_as_it_is_chosen(check):
    check("model=small/unet")
    with pytest.raises(
        DataError, match=r"^model=small/segresnet: .* set model=segresnet \(small v"
    ):
        check("model=small/segresnet")
    with pytest.raises(DataError, match=r"^model=small/unt: .* did you mean model=small/unet\?"):
        check("model=small/unt")


@pytest.mark.parametrize("word", ["name=[a", "name='a", "name={b: 'c}"])
def test_advice_on_quotes_is_what_a_shell_reads(check, word):
    with pytest.raises(DataError) as caught:
        check(word)
    (advice,) = shlex.split(str(caught.value).partition("the value: ")[2])
    check(advice)
