from functools import partial

import pytest
import torch

from neurotarget.losses import DiceCrossEntropy
from neurotarget.models.nets.unet import UNet
from neurotarget.problems import DataError
from neurotarget.shapes import Batch
from neurotarget.tasks.kinds import Regions
from neurotarget.tasks.region_classes import class_scores, membership
from neurotarget.tasks.region_task import RegionTask
from neurotarget.types import Target

LABELS = {"necrosis": 1, "edema": 2, "enhancing": 4}
REGIONS = {"whole": [1, 2, 4], "core": [1, 4], "enhancing": 4}


def tumour(**more):
    settings = {"regions": REGIONS, "ignore_ids": [9], **more}
    return Target("tumour", ["t1", "t2"], LABELS, [1] * 3, [8] * 3, **settings)


def task(loss=None):
    net = UNet(**Regions.net_arguments(tumour()), widths=[4, 8], top_width=4)
    loss = loss or DiceCrossEntropy(ignore_label=tumour().ignored_class)
    return RegionTask(tumour(), net, loss, partial(torch.optim.SGD, lr=0.1))


def test_every_class_is_the_most_probable_where_its_regions_are_and_no_others():
    inside = membership(tumour()).inside
    assert inside.tolist() == [[0, 0, 0], [1, 1, 0], [1, 0, 0], [1, 1, 1]]
    logits = 8 * (2 * inside.T - 1)  # regions × classes, sure of themselves
    found = class_scores(logits, inside).softmax(0)
    assert found.argmax(0).tolist() == [0, 1, 2, 3]
    assert (found.diagonal() > 0.99).all()


def test_mirrored_windows_keep_the_place_of_regions():
    settings = {"overlap": 0.5, "margin_vox": 0}
    assert Regions.window(tumour(), swap=(0, 1, 2, 3), **settings).swap == [0, 1, 2]
    assert Regions.window(tumour(), swap=None, **settings).swap is None


def test_without_regions_each_label_is_one():
    names, inside = membership(tumour(regions={}))
    assert names == tuple(LABELS)
    assert inside[1:].tolist() == torch.eye(3).tolist()


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ({"core": [1, 4], "enhancing": 4}, "found edema in no region"),
        ({"whole": [1, 2, 4], "core": [1, 4]}, "found necrosis and enhancing in the same regions"),
    ],
)
def test_regions_that_do_not_tell_labels_apart_are_refused(regions, message):
    with pytest.raises(DataError, match=message):
        Regions.check_target(tumour(regions=regions))


def test_the_loss_is_the_mean_over_regions_without_ignored_voxels():
    made, plain = task(), torch.nn.functional.binary_cross_entropy_with_logits
    scores = torch.randn(2, 3, 4, 4, 4)
    labels = torch.randint(5, (2, 4, 4, 4))  # 4 is ignored
    made.loss.loss.dice_weight = 0.0
    known = labels < 4
    truth = membership(tumour()).inside[labels.clamp(max=3)].movedim(-1, 1)
    wanted = [plain(scores[:, r][known], truth[:, r][known]) for r in range(3)]
    found = made._region_loss(scores, labels)
    torch.testing.assert_close(found, torch.stack(wanted).mean())


def test_a_network_of_regions_learns_and_is_scored_by_labels():
    torch.manual_seed(0)
    made = task()
    labels = torch.zeros(1, 8, 8, 8, dtype=torch.uint8)
    labels[:, 2:6], labels[:, 2:4], labels[:, 2:3] = 2, 1, 3
    image = torch.stack([(labels > 0).float(), labels.float()], dim=1)
    batch, optimizer = Batch(image, labels, ["a"]), torch.optim.Adam(made.net.parameters(), 0.03)
    first = made.batch_loss(batch).item()
    for _ in range(40):
        optimizer.zero_grad()
        made.batch_loss(batch).backward()
        optimizer.step()
    made.eval()
    with torch.no_grad():
        score = made.score(batch)
    assert score.loss < first / 2
    assert score.truth == [64, 128, 64]
    assert sum(score.shared) > 180
