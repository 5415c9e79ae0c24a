"""Steps of training whose batch is divided among threads, each with the whole network."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

from neurotarget.models.threads import map_in_threads
from neurotarget.shapes import Image


def in_parts(net: nn.Module, image: Image, parts: int) -> Any:  # noqa: ANN401
    """Scores of a batch (B, C, I, J, K), as the network returns them: a tensor, or several levels.

    The samples of a part must not depend on those of others, see `is_divisible`. Gradients are
    added in the order of the parts, so that a run can be repeated exactly.
    """
    weights = [weight for weight in net.parameters() if weight.requires_grad]
    levels = _Parts.apply(net, image.tensor_split(parts), *weights)
    return levels[0] if len(levels) == 1 else list(levels)


def is_divisible(net: nn.Module, image: Image) -> bool:
    """Whether a network in training treats each sample of a batch by itself and nothing randomly.

    It does not if it has batch norms or dropout. The image needs at least two samples; weights,
    buffers and random generators are left as they are.
    """
    if any(_has_statistics(module) for module in net.modules()):
        return False
    in_float32 = torch.autocast("cpu", enabled=False)
    with torch.no_grad(), in_float32, torch.random.fork_rng(devices=[]):
        before = torch.get_rng_state()
        whole = _levels_of(net(image))
        if not all(isinstance(level, Tensor) for level in whole):
            return False
        if not torch.equal(torch.get_rng_state(), before):
            return False
        halves = [_levels_of(net(part)) for part in image.chunk(2)]
    joined = [torch.cat(levels) for levels in zip(*halves, strict=True)]
    pairs = zip(whole, joined, strict=True)
    return all(torch.allclose(one, other, rtol=1e-3, atol=1e-3) for one, other in pairs)


class _Parts(Function):
    """Both passes of each part in a thread of its own."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, net: nn.Module, images: Sequence[Tensor], *weights: Tensor
    ) -> tuple[Tensor, ...]:
        """Scores of the parts, joined along the batch; keeps the graph of each part for `backward`.

        The weights are arguments so that autograd asks for their gradients; `net` uses them itself.
        """

        def score(image: Tensor) -> list[Tensor]:
            with torch.enable_grad():
                return _levels_of(net(image))

        ctx.weights = weights
        ctx.sizes = [len(image) for image in images]
        ctx.parts = map_in_threads(score, images)
        return tuple(
            torch.cat([level.detach() for level in levels])
            for levels in zip(*ctx.parts, strict=True)
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """Gradients of the weights, added over the parts; none of the images."""
        scored = [index for index, gradient in enumerate(gradients) if gradient is not None]
        split = [gradients[index].split(ctx.sizes) for index in scored]
        parts = [
            ([levels[index] for index in scored], of_part)
            for levels, of_part in zip(ctx.parts, zip(*split, strict=True), strict=True)
        ]

        def differentiate(part: tuple[list[Tensor], Sequence[Tensor]]) -> Sequence[Tensor | None]:
            return torch.autograd.grad(part[0], ctx.weights, part[1], allow_unused=True)

        found = map_in_threads(differentiate, parts)
        del ctx.parts
        return None, None, *(_added(of_weight) for of_weight in zip(*found, strict=True))


def _added(gradients: Sequence[Tensor | None]) -> Tensor | None:
    """Sum of the parts' gradients of a weight, in their order; None if no part has one."""
    given = [gradient for gradient in gradients if gradient is not None]
    if not given:
        return None
    total = given[0]
    for more in given[1:]:
        total = total + more
    return total


def _levels_of(scores: Any) -> list[Tensor]:  # noqa: ANN401
    return [scores] if isinstance(scores, Tensor) else list(scores)


def _has_statistics(module: nn.Module) -> bool:
    """Whether a module normalises over a batch, or averages what it has seen in its buffers."""
    is_batch_norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
    return is_batch_norm or getattr(module, "running_mean", None) is not None
