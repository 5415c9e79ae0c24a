"""Training of one binary network per label, in turn, as deepParcellation does ("N-way")."""

import torch
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, nn

from neurotarget.losses import Loss
from neurotarget.models.region_nets import RegionNets, as_two_classes
from neurotarget.problems import DataError
from neurotarget.shapes import Batch, Labels
from neurotarget.tasks.base import OptimizerFor
from neurotarget.tasks.kinds import NWay
from neurotarget.tasks.regions import fused
from neurotarget.tasks.scores import CaseScore, score_case
from neurotarget.tasks.segmentation import SegmentationTask
from neurotarget.types import Target


class NWayTask(NWay, SegmentationTask):
    """Segmentation by `RegionNets`: step s trains network s modulo their number.

    The networks thus have equal shares of any budget, in steps, FLOPs or minutes, and each has the
    whole schedule of the learning rate. A step needs the memory of one network, and the optimizer
    changes only the weights that have gradients; weights, averages and the optimizer's state of
    all networks stay in memory. Training them one after another would save that, but would need a
    schedule, a checkpoint and a way to resume for each, and no validation before the last.

    The loss is that of a label map with two classes. Averaging of weights counts rounds of steps,
    so that its decay is one per step of each network. `val/loss` is the mean over the regions; the
    network of all regions together is not validated.

    Source: Lim et al. 2022, doi:10.3389/fnagi.2022.1027857.
    """

    net: RegionNets

    def __init__(
        self,
        target: Target,
        net: nn.Module,
        loss: Loss,
        optimizer_for: OptimizerFor,
        **settings: object,
    ) -> None:
        """Join the parts; `settings` are those of `TargetTask`.

        Raises:
            DataError: the network is not of the class `RegionNets`.
        """
        if not isinstance(net, RegionNets):
            raise DataError(
                f"task=nway: found a {type(net).__name__} for all labels, wanted RegionNets, one "
                "network for each; build it with neurotarget.tasks.kinds.NWay.make_net"
            )
        super().__init__(target, net, loss, optimizer_for, **settings)

    def batch_loss(self, batch: Batch) -> Tensor:
        """Return the loss of this step's network, over the voxels that it scores."""
        turn = self.net.take_turn(self.global_step)
        return super().batch_loss(batch._replace(labels=self._of(turn, batch.labels)))

    def score(self, batch: Batch) -> CaseScore:
        """Segment one whole volume by the fusion of all regions, and count its voxels."""
        scores = self(batch.image)
        losses = [
            self.loss(as_two_classes(scores[:, number, None]), self._of(number, batch.labels))
            for number in range(1, len(self.net.nets))
        ]
        return score_case(fused(scores[0])[None], batch.labels, float(sum(losses) / len(losses)))

    def configure_optimizers(self) -> dict[str, object]:
        """Make the optimizer, and its schedule with one update per step.

        Raises:
            DataError: a network would get no step, or DDP would wait for gradients of all networks.
        """
        steps, nets = self.trainer.estimated_stepping_batches, len(self.net.nets)
        if 0 < steps < nets:
            raise DataError(
                f"budget: found {steps} steps for {nets} networks of task=nway, which train in "
                f"turn, wanted at least {nets}, one each; set a larger budget"
            )
        strategy = self.trainer.strategy
        if isinstance(strategy, DDPStrategy) and not strategy._ddp_kwargs.get(
            "find_unused_parameters"
        ):
            raise DataError(
                "trainer.strategy: found DDP that waits for gradients of all weights, and a step "
                "of task=nway has those of one network; set "
                "trainer.strategy=ddp_find_unused_parameters_true"
            )
        return super().configure_optimizers()

    @property
    def ema_every(self) -> int:
        """Number of steps in a round, in which each network trains once."""
        return len(self.net.nets)

    def _of(self, number: int, labels: Labels) -> Labels:
        """Return a label map of two classes, outside and region (0: any); ignored voxels stay."""
        inside = labels == number if number else labels > 0
        return torch.where(labels == self.target.ignored_class, labels, inside.to(labels.dtype))
