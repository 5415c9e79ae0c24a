"""One binary network per region, held as one network that trains one of them at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from neurotarget.models.backbone import Backbone
from neurotarget.shapes import Feature, Image, Inner, Levels
from neurotarget.types import TripleVox


class RegionNets(Backbone):
    """A binary network for each class, all of one architecture; each has one logit per voxel.

    `nets[c]` tells region c from everything else, and `nets[0]`, which the publication calls the
    brain mask, all regions from background. In training only `nets[turn]` runs, so that a step
    takes the memory of one network. Its scores have two classes, elsewhere (0) and the region (its
    logit): their softmax is the sigmoid of the logit, and losses of label maps apply. In
    evaluation the networks run one after another, and the scores have a class for background,
    which is 0 everywhere, and one for each region, its logit; `nets[0]` does not run.

    Source: Lim et al. 2022, doi:10.3389/fnagi.2022.1027857 ("N-way strategy").

    Args:
        nets: one for all regions together, then one for each region, in the order of the classes.

    Raises:
        ValueError: there are fewer than two.
    """

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        super().__init__()
        if len(nets) < 2:
            raise ValueError(f"RegionNets: got {len(nets)} networks, wanted at least 2")
        self.nets = nn.ModuleList(nets)
        self.turn = 0  # number of the network that trains
        self.margin_vox = int(getattr(nets[0], "margin_vox", 0))
        self.deep_supervision = bool(getattr(nets[0], "deep_supervision", False))

    def take_turn(self, step: int) -> int:
        """Choose the network that trains in a step, one after another; returns its number."""
        self.turn = step % len(self.nets)
        return self.turn

    def forward(self, image: Image) -> Inner | Levels:
        """In training two scores by the network whose turn it is, else those of all regions."""
        if self.training:
            return as_two_classes(self.nets[self.turn](image))
        regions = [net(image) for net in self.nets[1:]]
        return torch.cat([torch.zeros_like(regions[0]), *regions], dim=1)

    def nearest(self, sides: Sequence[int]) -> TripleVox:
        """Return the smallest valid sides that are at least these."""
        return getattr(self.nets[0], "nearest", tuple)(sides)

    def below(self, sides: Sequence[int]) -> TripleVox:
        """Return the largest valid sides that are at most these, or the smallest valid ones."""
        return getattr(self.nets[0], "below", tuple)(sides)

    def rule(self) -> str:
        """Text on valid sides, which are those of each network."""
        net = self.nets[0]
        return net.rule() if isinstance(net, Backbone) else super().rule()


class WholeNet(nn.Module):
    """The network of all regions together, with scores of background and of any region."""

    def __init__(self, nets: RegionNets) -> None:
        super().__init__()
        self.net = nets.nets[0]

    def forward(self, image: Image) -> Inner:
        """Score every voxel: (B, 2, I, J, K), 0 for background and the logit of any region."""
        return as_two_classes(self.net(image))


def as_two_classes(logits: Feature | Sequence[Feature]) -> Feature | Sequence[Feature]:
    """Scores of elsewhere, which are 0, and of the region; of one level or of several.

    (B, 1, I, J, K) to (B, 2, I, J, K). A softmax over both is the sigmoid of the logit.
    """
    if isinstance(logits, Tensor):
        return torch.cat([torch.zeros_like(logits), logits], dim=1)
    return [as_two_classes(level) for level in logits]
