"""The forecast of memory: what is in it, how it follows the settings, and how far it is off."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import psutil
import pytest
import torch

from neurotarget.data.batches.batch_cuts import BatchCuts
from neurotarget.data.batches.direct_loader import DirectLoader
from neurotarget.data.batches.draws import DrawSampler
from neurotarget.models.nets.unet import UNet
from neurotarget.models.profile import profile
from neurotarget.problems import DataError
from neurotarget.training.resources import memory_forecast
from neurotarget.training.resources.memory_forecast import (
    LATER_MIB,
    ON_PROCESSOR,
    SERVER_MIB,
    WORKER_MIB,
    Forecast,
    fit_memory,
    forecast,
    network_mib,
)
from neurotarget.types import Target
from oracles.prepared import write_cloud

TARGET = Target("toy", ("t1",), {"a": 1}, (1, 1, 1), (32, 32, 32))
CONFIG = {
    "check_memory": True,
    "trainer": {"accelerator": "cpu", "devices": 1, "precision": "32-true"},
    "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.1},
    "task": {"ema_decay": None},
}
OWN = 700.0


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """`machine(free)`: MiB that are free in addition to this process, which takes 700."""
    monkeypatch.setattr(memory_forecast, "own_memory_mib", lambda: OWN)

    def free(mib):
        monkeypatch.setattr(memory_forecast, "free_memory_mib", lambda: mib)

    free(1e6)
    return free


def data_of(**changes):
    given = {
        "patches": "queue",
        "workers": 2,
        "queue_length": 16,
        "patches_per_region": 1,
        "batch_size": 4,
        "margin_share": 0.25,
        "augmentation": {"noise": {}},
    }
    made = SimpleNamespace(**given | changes)
    made.change = lambda **settings: vars(made).update(settings)
    return made


def net():
    return UNet(1, 2, widths=(4, 8))


def test_all_that_needs_memory_is_in_the_sum():
    made = forecast(CONFIG, data_of(), TARGET, 100.0)
    assert made.program == OWN + LATER_MIB
    assert made.workers == 2 * WORKER_MIB + SERVER_MIB
    assert made.host == pytest.approx(made.program + made.workers + made.patches + 100)
    assert forecast(CONFIG, data_of(workers=0), TARGET, 0.0).workers == 0


@pytest.mark.parametrize("kind", ["queue", "direct"])
def test_patches_take_more_with_workers_and_larger_batches(kind):
    least = forecast(CONFIG, data_of(patches=kind, workers=0), TARGET, 0.0).patches
    assert least == pytest.approx(3 if kind == "queue" else 7, abs=3)
    more = [
        forecast(CONFIG, data_of(**{"patches": kind, "workers": 0} | change), TARGET, 0.0).patches
        for change in ({"workers": 4}, {"batch_size": 16})
    ]
    assert min(more) > least


def test_a_longer_queue_takes_more():
    short, long = (
        forecast(CONFIG, data_of(queue_length=length), TARGET, 0.0).patches for length in (16, 160)
    )
    assert long - short == pytest.approx(144 * 32**3 * 5 / 2**20)


def test_every_process_of_a_training_counts():
    two = {**CONFIG, "trainer": {**CONFIG["trainer"], "devices": 2}}
    alone, both = (forecast(config, data_of(), TARGET, 100.0) for config in (CONFIG, two))
    assert both.host == pytest.approx(2 * alone.host)


def test_a_step_on_a_cpu_takes_more_than_its_profile():
    whole = profile(net(), (4, 1, 32, 32, 32), training=True, optimizer_states=2)
    found = network_mib(CONFIG, TARGET, net(), 4)
    assert found == pytest.approx(ON_PROCESSOR * whole.peak_memory_mib)


def test_a_gpu_has_the_network_and_the_machine_has_the_rest(monkeypatch, machine):
    gib = 2**30
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (4 * gib, 8 * gib))
    config = {**CONFIG, "trainer": {**CONFIG["trainer"], "accelerator": "auto"}}
    monkeypatch.setattr(memory_forecast, "network_mib", lambda *_: 3000.0)
    machine(2000.0)
    text = fit_memory(config, data_of(), TARGET, net())
    assert text.endswith("; network about 3.1 GB of 4.3 GB of the GPU")
    assert "network" not in text.partition(")")[0]
    monkeypatch.setattr(memory_forecast, "network_mib", lambda *_: 9000.0)
    with pytest.raises(DataError, match=r"network about 9\.4 GB, and 4\.3 GB of the GPU are free"):
        fit_memory(config, data_of(), TARGET, net())


def test_mixed_precision_halves_what_is_no_weight(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    trainer = {"accelerator": "cuda", "devices": 1}
    whole, mixed = (
        network_mib(
            {**CONFIG, "trainer": trainer | {"precision": precision}}, TARGET, net(), batch=4
        )
        for precision in ("32-true", "bf16-mixed")
    )
    assert 0.5 * whole < mixed < 0.55 * whole


def test_what_fits_is_left_as_it_is():
    data = data_of()
    text = fit_memory(CONFIG, data, TARGET, net())
    assert text.startswith("about 1.4 GB (program 0.81, workers 0.57, patches ")
    assert text.endswith(" that are free")
    assert (data.workers, data.queue_length) == (2, 16)


def test_workers_go_first_and_then_the_queue(machine):
    data = data_of()
    needs = forecast(CONFIG, data, TARGET, network_mib(CONFIG, TARGET, net(), 4)).host
    machine(needs - OWN - 150)
    text = fit_memory(CONFIG, data, TARGET, net())
    assert (data.workers, data.queue_length) == (1, 16)
    assert "; data.workers=1 instead of 2, since" in text
    long = data_of(workers=0, queue_length=4000)
    needs = forecast(CONFIG, long, TARGET, network_mib(CONFIG, TARGET, net(), 4)).host
    machine(needs - OWN - 400)
    text = fit_memory(CONFIG, long, TARGET, net())
    assert (long.workers, long.queue_length) == (0, 1000)
    assert "; data.queue_length=1000 instead of 4000, since" in text


@pytest.mark.parametrize("change", [{"patches": "direct"}, {"patches_per_region": 4}])
def test_a_queue_that_is_shuffled_or_not_used_keeps_its_length(change, machine):
    machine(0.0)
    data = data_of(workers=1, queue_length=64, **change)
    with pytest.raises(DataError, match=r"set a smaller data\.batch_size.*check_memory=false"):
        fit_memory(CONFIG, data, TARGET, net())
    assert (data.workers, data.queue_length) == (0, 64)


def test_the_check_can_be_switched_off(machine):
    machine(0.0)
    data = data_of()
    text = fit_memory({**CONFIG, "check_memory": False}, data, TARGET, net())
    assert text.endswith("of 0.73 GB that are free")
    assert data.workers == 2


def test_a_network_that_cannot_be_profiled_is_left_out():
    class Picky(torch.nn.Module):
        def forward(self, image):
            return image * 2 if image.sum() > 0 else image

    text = fit_memory(CONFIG, data_of(workers=0), TARGET, Picky())
    assert text.endswith("; that of the network is unknown")


def test_text_names_the_parts():
    made = Forecast(program=1000.0, workers=0.0, patches=30.0, network=2000.0)
    assert made.text == "about 3.2 GB (program 1, patches 0.031, network 2.1)"
    assert replace(made, processes=2).text.startswith("about 6.4 GB (program 2.1, patches")


def test_a_training_takes_about_what_was_forecast(trained):
    folder, done = trained
    forecast = re.search(r"  memory    about ([\d.]+) GB \(program", done.stdout)
    peak_gb = json.loads((folder / "cost.json").read_text())["peak_memory_mib"] * 2**20 / 1e9
    assert 0.75 < peak_gb / float(forecast[1]) < 1.35


def test_workers_take_no_more_than_was_forecast(tmp_path):
    folders = [write_cloud(tmp_path, 0, sides=(16, 16, 16))]
    cuts = BatchCuts(
        folders,
        num_contrasts=1,
        patch_vox=(8, 8, 8),
        foreground_share=0.5,
        margin_share=0.25,
        seed=1,
    )
    before = {one.pid for one in psutil.Process().children(recursive=True)}
    batches = iter(DirectLoader(cuts, DrawSampler(1, 8, seed=1), batch_size=2, workers=2))
    next(batches)
    ours = [one for one in psutil.Process().children(recursive=True) if one.pid not in before]
    taken_mib = sum(one.memory_full_info().pss for one in ours) / 2**20
    batches.close()
    # less than in a training, which writes to more of the pages that workers share at first
    assert 0.15 < taken_mib / (2 * WORKER_MIB + SERVER_MIB) < 1.2
