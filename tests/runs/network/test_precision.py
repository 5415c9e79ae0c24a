import torch

from neurotarget.runs.network.precision import precision_for


def test_precision_follows_the_hardware_unless_it_is_given():
    assert precision_for("16-mixed", "cpu") == "16-mixed"
    has = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    assert precision_for("auto", "cpu") == ("bf16-mixed" if has else "32-true")
