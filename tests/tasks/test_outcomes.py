"""Classification and regression of whole images: losses, scores, scale, and a short training."""

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from neurotarget.models.backbone import VectorBackbone
from neurotarget.problems import DataError
from neurotarget.shapes import Batch
from neurotarget.tasks.classification import ClassificationTask
from neurotarget.tasks.regression import RegressionTask
from neurotarget.types import Target

ILL = {"ill": {"kind": "binary", "classes": ["no", "yes"]}}
GRADE = {"grade": {"kind": "classes", "classes": ["none", "mild", "severe"]}}
AGE = {"age": {"kind": "number", "unit": "years"}}


def target(outcomes, labels=()):
    return Target("person", ["t1"], dict(labels), [1] * 3, [8] * 3, outcomes=outcomes)


class Brightness(VectorBackbone):
    """A linear function of the mean brightness."""

    def __init__(self, in_channels, num_outputs):
        super().__init__(num_outputs)
        self.net = nn.Sequential(
            nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(in_channels, num_outputs)
        )


def task_of(kind, outcomes, lr=0.05, **settings):
    made = target(outcomes)
    net = Brightness(**kind.net_arguments(made))
    return kind(made, net, partial(torch.optim.AdamW, lr=lr), **settings)


class People(Dataset):
    """The brightness of a scan tells the outcome."""

    def __init__(self, codes, batch_size):
        self.codes, self.batch_size = codes, batch_size

    def __len__(self):
        return len(self.codes) // self.batch_size

    def __getitem__(self, index):
        rows = range(index * self.batch_size, (index + 1) * self.batch_size)
        codes = torch.tensor([self.codes[row] for row in rows])
        image = codes[:, :, None, None, None] / 10 + torch.zeros(len(rows), 1, 8, 8, 8)
        return Batch(image, None, [f"p{row}" for row in rows], codes)


def fitted(task, codes, toy, folder):
    training = DataLoader(People(codes, 4), batch_size=None)
    whole = DataLoader(People(codes, 1), batch_size=None)
    task.fit_scale(torch.tensor(codes))
    trainer = toy.trainer(folder, max_epochs=20)
    trainer.fit(task, training, whole)
    return {key: float(value) for key, value in trainer.callback_metrics.items()}


def test_a_class_that_the_image_shows_is_learnt(toy, tmp_path):
    codes = [[float(row % 3 == 0)] for row in range(24)]
    found = fitted(task_of(ClassificationTask, ILL, lr=0.5), codes, toy, tmp_path)
    assert found["val/auroc/ill"] == found["val/auroc_mean"] == 1.0
    assert found["val/brier/ill"] < 0.1
    assert found["val/accuracy/ill"] == 1.0


def test_a_number_that_the_image_shows_is_learnt_in_its_unit(toy, tmp_path):
    codes = [[40.0 + row] for row in range(24)]
    found = fitted(task_of(RegressionTask, AGE, lr=0.1), codes, toy, tmp_path)
    assert found["val/error_abs_mean"] == found["val/error_abs/age"] < 6.0
    assert found["val/r/age"] > 0.99


def test_training_begins_at_the_frequencies_of_the_classes():
    task = task_of(ClassificationTask, ILL)
    nn.init.zeros_(task.net.net[-1].weight)
    nn.init.zeros_(task.net.net[-1].bias)
    task.fit_scale(torch.tensor([[1.0], [0.0], [0.0], [0.0], [math.nan]]))
    share = torch.sigmoid(task(torch.zeros(1, 1, 8, 8, 8))).detach()
    assert float(share) == pytest.approx(0.25)


def test_balanced_weights_make_the_classes_count_alike():
    task = task_of(ClassificationTask, ILL, class_weights="balanced")
    task.fit_scale(torch.tensor([[1.0], [0.0], [0.0], [0.0]]))
    torch.testing.assert_close(task.weights[0], torch.tensor([4 / 6, 2.0]))
    outputs, codes = torch.zeros(4, 1), torch.tensor([1.0, 0.0, 0.0, 0.0])
    assert float(task.one_loss(task.target.outcomes[0], outputs, codes)) == pytest.approx(
        math.log(2)
    )


def test_an_unknown_outcome_does_not_count():
    task = task_of(ClassificationTask, {**ILL, **GRADE})
    outputs = torch.tensor([[2.0, 0.1, 0.2, 0.3], [0.0, 0.0, 0.0, 0.0]])
    half = torch.tensor([[1.0, math.nan], [math.nan, 2.0]])
    wanted = (math.log(1 + math.exp(-2.0)) + math.log(3)) / 2
    assert float(task.loss_of(outputs, half)) == pytest.approx(wanted)
    nothing = torch.full((2, 2), math.nan)
    assert float(task.loss_of(outputs, nothing)) == 0.0


def test_scores_are_those_counted_by_hand():
    task = task_of(ClassificationTask, ILL)
    outputs = torch.tensor([[2.0], [-1.0], [0.5], [-2.0]])
    found = task.scores_of(task.target.outcomes[0], outputs, torch.tensor([1.0, 1.0, 0.0, 0.0]))
    assert found["auroc"] == pytest.approx(3 / 4)
    assert found["accuracy"] == pytest.approx(2 / 4)
    shares = torch.sigmoid(outputs[:, 0]).tolist()
    wanted = [(1 - shares[0]) ** 2, (1 - shares[1]) ** 2, shares[2] ** 2, shares[3] ** 2]
    assert found["brier"] == pytest.approx(sum(wanted) / 4)


def test_one_class_alone_has_no_auroc():
    task = task_of(ClassificationTask, ILL)
    found = task.scores_of(task.target.outcomes[0], torch.zeros(3, 1), torch.ones(3))
    assert math.isnan(found["auroc"])
    assert math.isnan(found["average_precision"])


def test_several_classes_are_scored_one_against_the_rest():
    task = task_of(ClassificationTask, GRADE)
    outputs = 5 * torch.eye(3)
    found = task.scores_of(task.target.outcomes[0], outputs, torch.tensor([0.0, 1.0, 2.0]))
    assert (found["auroc"], found["accuracy"]) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("kind", "made", "why"),
    [
        (ClassificationTask, {"labels": {"gland": 1}}, r"no outcomes .*, only labels \(gland\)"),
        (ClassificationTask, {"outcomes": AGE}, r"the outcomes age \(number\) for Classification"),
        (RegressionTask, {"outcomes": ILL}, r"the outcomes ill \(binary\) for RegressionTask"),
    ],
)
def test_a_target_of_another_task_is_refused(kind, made, why):
    with pytest.raises(DataError, match=why):
        kind.check_target(target(made.get("outcomes"), made.get("labels", {})))


@pytest.mark.parametrize(
    ("kind", "outcomes", "setting", "why"),
    [
        (ClassificationTask, ILL, {"class_weights": "yes"}, "wanted none or balanced"),
        (ClassificationTask, ILL, {"label_smoothing": 1.0}, "label_smoothing: found 1.0"),
        (RegressionTask, AGE, {"delta_sd": 0.0}, "delta_sd: found 0.0, wanted a number above 0"),
    ],
)
def test_settings_without_meaning_are_refused(kind, outcomes, setting, why):
    with pytest.raises(DataError, match=why):
        task_of(kind, outcomes, **setting)


def test_each_task_says_which_scores_are_better_low():
    assert not ClassificationTask.is_lower_better("val/auroc_mean")
    assert ClassificationTask.is_lower_better("val/brier/ill")
    assert RegressionTask.is_lower_better(RegressionTask.monitor)
    assert {ClassificationTask.monitor} <= {*ClassificationTask.logged(target(ILL))}
