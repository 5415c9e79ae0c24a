import pickle

import pytest
import torch
from safetensors.torch import save_file

from neurotarget.models.nets.unet import UNet
from neurotarget.problems import DataError
from neurotarget.runs.network import shipped
from neurotarget.runs.network.exported_networks import prefixed
from neurotarget.runs.network.network_file import write_network_file
from neurotarget.runs.network.pretrained import load_pretrained


def net(labels=2, seed=0):
    torch.manual_seed(seed)
    return UNet(1, labels, widths=(4, 8), top_width=4)


def same(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("nest", [{}, {"state_dict": None}, {"network_weights": None}])
def test_weights_are_found_wherever_they_lie(tmp_path, nest):
    source, mine = net(seed=1), net(seed=2)
    state = {f"net.{name}": value for name, value in source.state_dict().items()}
    torch.save({next(iter(nest)): state, "epoch": 3} if nest else state, tmp_path / "w.pt")
    assert not same(source, mine)
    lines = load_pretrained(tmp_path / "w.pt", mine)
    assert same(source, mine)
    assert "100.0 % of the parameters" in lines[0]


def test_safetensors_load_and_a_new_head_is_reported(tmp_path):
    source, mine = net(labels=5, seed=1), net(seed=2)
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    head = mine.top.weight.clone()
    lines = load_pretrained(tmp_path / "w.safetensors", mine)
    assert torch.equal(mine.top.weight, head)
    assert torch.equal(
        mine.bottom.state_dict()[next(iter(mine.bottom.state_dict()))],
        source.bottom.state_dict()[next(iter(source.bottom.state_dict()))],
    )
    assert "top.weight (found 5×4×1×1×1, wanted 2×4×1×1×1)" in lines[1]


def test_the_first_of_exported_networks_is_found_by_path_and_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    sources = [net(seed=seed) for seed in (1, 3)]
    tensors = {}
    for number, source in enumerate(sources):
        tensors |= prefixed(number, source.state_dict())
    members = [{"config": {}, "steps": None}] * 2
    document = {"neurotarget": "0", "name": "ball", "members": members, "localiser": None}
    write_network_file(tmp_path / "ball.safetensors", document, "", tensors)
    for place in ("ball", tmp_path / "ball.safetensors"):
        mine = net(seed=2)
        assert "100.0 % of the parameters" in load_pretrained(place, mine)[0]
        assert same(sources[0], mine)
    with pytest.raises(DataError, match=r"pretrained=bal: no such file; .*`neurotarget weights`"):
        load_pretrained("bal", net())


def test_weights_of_another_architecture_are_refused(tmp_path):
    torch.save({"fc.weight": torch.zeros(3, 3)}, tmp_path / "w.pt")
    with pytest.raises(DataError, match=r"no tensor that fits UNet .*fc.weight.* in the file only"):
        load_pretrained(tmp_path / "w.pt", net())


def test_a_file_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (print, ("ran",))

    (tmp_path / "w.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(DataError, match="found no plain checkpoint"):
        load_pretrained(tmp_path / "w.pt", net())


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("none.pt", None, "no such file; give a run folder"),
        ("cut.safetensors", b"\x10\x00\x00", "cannot be read"),
        ("plain.pt", {"epoch": 3}, "found no tensors by name"),
    ],
)
def test_what_holds_no_weights_is_refused(tmp_path, name, content, error):
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif content:
        torch.save(content, tmp_path / name)
    with pytest.raises(DataError, match=error):
        load_pretrained(tmp_path / name, net())
