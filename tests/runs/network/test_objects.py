import pytest
import yaml

from neurotarget.models.nets.unet import UNet
from neurotarget.problems import DataError
from neurotarget.runs.network.objects import build, build_foreign, function_of
from neurotarget.types import Target


def test_foreign_config_builds_nets_and_targets():
    net = build_foreign(
        {"_target_": "neurotarget.models.nets.unet.UNet", "widths": [4, 8]},
        in_channels=1,
        num_labels=2,
    )
    assert isinstance(net, UNet)
    text = """
    _target_: neurotarget.types.Target
    name: a
    contrasts: [t1]
    labels: {a: 1}
    spacing_mm: [1, 1, 1]
    patch_vox: [8, 8, 8]
    roi: {_target_: neurotarget.types.Roi, size_mm: [9, 9, 9]}
    """
    target = build_foreign(yaml.safe_load(text))
    assert isinstance(target, Target)
    assert target.roi.size_mm == (9, 9, 9)


@pytest.mark.parametrize(
    "path",
    [
        "os.system",
        "subprocess.Popen",
        "neurotarget.data.batches.cache.shutil.rmtree",
        "neurotarget.models.nets.unet.torch.load",
        "neurotarget.models.nets.unet.MonaiUNet",
        "neurotarget.models.nets.unet.__class__",
        "neurotarget.models.nothing.Net",
        "neurotarget.cli.main.main",
        "",
    ],
)
def test_foreign_config_calls_nothing_else(path):
    with pytest.raises(DataError, match="use only files that neurotarget has written"):
        build_foreign({"_target_": path})


def test_foreign_config_is_checked_inside_too():
    inner = {"_target_": "os.system", "command": "true"}
    with pytest.raises(DataError, match=r"found _target_ 'os.system'"):
        build_foreign({"_target_": "neurotarget.models.nets.unet.UNet", "widths": inner})


@pytest.mark.parametrize("make", [build, build_foreign])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("unet.UNet", {"widths": [-1, 2]}),  # torch refuses it with a RuntimeError
        ("unetr.UNETR", {"num_heads": 0}),
        ("weninger.WeningerLocator", {"width": None}),
    ],
)
def test_values_that_a_constructor_cannot_take_are_refused(make, name, settings):
    cfg = {"_target_": f"neurotarget.models.{name}", **settings}
    with pytest.raises(DataError, match=name.partition(".")[2]):
        make(cfg, in_channels=1, num_labels=2)


def test_a_constructor_that_says_its_name_is_not_named_twice():
    cfg = {"_target_": "neurotarget.models.nets.unet.UNet", "widths": [4]}
    with pytest.raises(DataError, match=r"^UNet: got 1 widths"):
        build(cfg, in_channels=1, num_labels=2)


def test_unknown_setting_is_named_with_the_nearest_one_also_inside():
    plan = {"_target_": "neurotarget.phantom.gland.plan.Plan", "num_case": 3}
    cohort = {"_target_": "neurotarget.phantom.gland.cohort.Cohort", "folder": "a", "plan": plan}
    with pytest.raises(DataError, match="Plan: no such setting 'num_case'; did you mean num_cases"):
        build(cohort)
    with pytest.raises(DataError, match="UNet: no such setting 'width'; did you mean widths"):
        build({"_target_": "neurotarget.models.nets.unet.UNet", "width": [4]}, in_channels=1)


def test_a_function_gets_its_settings_and_a_class_is_made_with_them():
    power = function_of({"_target_": "operator.pow"})
    assert power(2, 3) == 8
    rounded = function_of({"_target_": "builtins.round", "ndigits": 1})
    assert rounded(0.26) == 0.3
    loss = function_of({"_target_": "neurotarget.losses.DiceCrossEntropy", "smooth": 2.0})
    assert loss.smooth == 2.0


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ({"_target_": "nopackage.losses.Loss"}, "no module nopackage; check the name"),
        ({"_target_": "nopackage.Loss"}, "no module nopackage; check the name"),
        ({"_target_": "neurotarget.los.Loss"}, "no module neurotarget.los; check the name"),
        ({"_target_": "neurotarget.losses.DiceCrossEntrpy"}, "did you mean .*DiceCrossEntropy"),
        ({"_target_": "neurotarget.losses.crop", "margin": 1}, "'margin'; did you mean margin_vox"),
        ({"_target_": "math.pi"}, "callable"),
        ({"_target_": "builtins.object"}, "found an object that cannot be called"),
    ],
)
def test_what_is_no_function_is_one_sentence(node, words):
    with pytest.raises(DataError, match=words) as caught:
        function_of(node)
    assert "\n" not in str(caught.value)
