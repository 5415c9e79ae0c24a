import json
import time

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from neurotarget.models.nets.unet import UNet
from neurotarget.models.profile import profile
from neurotarget.runs.tracking.cost import (
    CostMeter,
    add_prediction_cost,
    prediction_cost,
    process_peak_mib,
    write_cost,
)
from oracles.short_trainer import trainer_of

KEYS = [
    "parameters",
    "flops_per_step",
    "steps",
    "step_s",
    "train_s",
    "peak_memory_mib",
    "peak_memory_of",
    "batch_size",
    "patch_vox",
    "predict_s_per_case",
    "predict_cases",
    "energy_wh",
    "energy_of",
]
STEP_S, VALIDATION_S = 0.02, 0.3
BIG = 100 * 2**20 // 8  # 100 MiB of float64


class Slow(pl.LightningModule):
    """Its steps and validations take as long as the test sets."""

    def __init__(self, *, hoards=False):
        super().__init__()
        self.line, self.hoards = torch.nn.Linear(1, 1), hoards

    def training_step(self, batch):
        time.sleep(STEP_S)
        held = np.ones(BIG) if self.hoards else None
        del held
        return self.line(batch).square().mean()

    def validation_step(self, *_):
        time.sleep(VALIDATION_S)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Picky(torch.nn.Module):
    def forward(self, image):
        return image * 2 if image.sum() > 0 else image


def fit(folder, *, epochs, resumed=False, **how):
    """Train for epochs of eight steps that end with validation and a checkpoint."""
    meter = CostMeter()
    trainer, start = trainer_of(folder, meter, epochs=epochs, resumed=resumed)
    loaders = DataLoader(torch.ones(8, 1)), DataLoader(torch.ones(1, 1))
    started = time.monotonic()
    trainer.fit(Slow(**how), *loaders, **start)
    return meter, time.monotonic() - started


def cost_of(folder, meter=None):
    meter = meter or CostMeter()
    net = UNet(1, 2, widths=(4, 8))
    return write_cost(folder, meter, net, in_channels=1, batch_size=2, patch_vox=(8, 8, 8))


def test_steps_are_timed_without_validation_and_the_first_ones(tmp_path):
    meter, wall_s = fit(tmp_path, epochs=2)
    assert meter.steps == 16
    assert meter.step_s == meter.train_s / 16
    assert 16 * STEP_S <= meter.train_s < wall_s - 2 * VALIDATION_S


def test_a_resumed_run_goes_on_counting(tmp_path):
    first, _ = fit(tmp_path, epochs=1, hoards=True)
    second, _ = fit(tmp_path, epochs=2, resumed=True)
    assert (first.steps, second.steps) == (8, 16)
    assert second.train_s >= first.train_s + 8 * STEP_S
    assert second.peak_memory_mib > first.peak_memory_mib - 1  # of its last checkpoint


def test_a_run_that_had_ended_keeps_its_cost(tmp_path):
    first, _ = fit(tmp_path, epochs=1)
    again, _ = fit(tmp_path, epochs=1, resumed=True)
    assert again.steps == again.expected_steps == 8
    assert again.train_s == pytest.approx(first.train_s, abs=0.1)


def test_peak_memory_is_that_of_training_alone(tmp_path):
    held = np.ones(3 * BIG)  # what another job held before
    del held
    before = process_peak_mib()
    meter, _ = fit(tmp_path, epochs=1, hoards=True)
    after = np.ones(5 * BIG)  # and what prediction holds later
    assert meter.state_dict()["peak_memory_mib"] == meter.peak_memory_mib
    assert meter.peak_memory_of == "process"
    assert 100 < meter.peak_memory_mib < process_peak_mib() - 300
    assert meter.peak_memory_mib < before - 100
    assert after.sum() > 0


def test_peak_memory_holds_what_a_step_held(tmp_path):
    light, _ = fit(tmp_path / "light", epochs=1)
    heavy, _ = fit(tmp_path / "heavy", epochs=1, hoards=True)
    assert heavy.peak_memory_mib - light.peak_memory_mib == pytest.approx(100, abs=30)


def test_cost_of_a_run_is_written_whole(tmp_path):
    meter, _ = fit(tmp_path, epochs=1)
    cost = cost_of(tmp_path, meter)
    net = UNet(1, 2, widths=(4, 8))
    assert json.loads((tmp_path / "cost.json").read_text()) == cost
    assert list(cost) == KEYS
    assert cost["parameters"] == sum(weight.numel() for weight in net.parameters())
    assert cost["flops_per_step"] == profile(net, (2, 1, 8, 8, 8), training=True).flops
    assert (cost["steps"], cost["batch_size"], cost["patch_vox"]) == (8, 2, [8, 8, 8])
    assert (cost["predict_s_per_case"], cost["predict_cases"]) == (None, 0)


def test_what_is_not_known_is_null(tmp_path):
    cost = write_cost(
        tmp_path, CostMeter(), Picky(), in_channels=1, batch_size=1, patch_vox=(4, 4, 4)
    )
    assert (cost["flops_per_step"], cost["step_s"]) == (None, None)
    assert "NaN" not in (tmp_path / "cost.json").read_text()


def test_prediction_completes_the_cost(tmp_path):
    before = cost_of(tmp_path)
    add_prediction_cost(tmp_path, 2.5, 4)
    after = json.loads((tmp_path / "cost.json").read_text())
    assert after == before | {"predict_s_per_case": 2.5, "predict_cases": 4}


def test_a_run_without_a_cost_stays_without_one(tmp_path):
    add_prediction_cost(tmp_path, 2.5, 4)
    assert not list(tmp_path.iterdir())


def test_only_cases_that_are_predicted_now_are_timed(tmp_path):
    cost_of(tmp_path)
    predictions = tmp_path / "predictions"
    with prediction_cost(tmp_path, predictions):
        predictions.mkdir()
        for name in ("a", "b"):
            time.sleep(0.05)
            (predictions / f"{name}.nii.gz").write_text(name)
        (predictions / "volumes.tsv").write_text("case_id")
    first = json.loads((tmp_path / "cost.json").read_text())
    assert first["predict_cases"] == 2
    assert 0.05 <= first["predict_s_per_case"] < 1
    with prediction_cost(tmp_path, predictions):
        time.sleep(0.05)
    assert json.loads((tmp_path / "cost.json").read_text()) == first
    with prediction_cost(tmp_path, predictions):
        time.sleep(0.01)
        (predictions / "b.nii.gz").write_text("again")
    assert json.loads((tmp_path / "cost.json").read_text())["predict_cases"] == 1


def test_training_that_goes_on_keeps_seconds_of_prediction(tmp_path):
    cost_of(tmp_path)
    add_prediction_cost(tmp_path, 2.5, 4)
    assert cost_of(tmp_path)["predict_s_per_case"] == 2.5
