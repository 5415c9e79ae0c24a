"""Divide the batch of a training step among threads; each thread runs the whole network."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

from neurotarget.models.threads import map_in_threads
from neurotarget.shapes import Image


def in_parts(net: nn.Module, image: Image, parts: int) -> Any:  # noqa: ANN401
    """Compute the network's output, a tensor or several levels, for a batch (B, C, I, J, K).

    Samples must not depend on samples of other parts, see `is_divisible`. Gradients are
    added in the order of the parts, so that a run can be repeated exactly.
    """
    weights = [weight for weight in net.parameters() if weight.requires_grad]
    levels = _Parts.apply(net, image.tensor_split(parts), *weights)
    return levels[0] if len(levels) == 1 else list(levels)


def is_divisible(net: nn.Module, image: Image) -> bool:
    """Return whether a network in training computes each sample independently and not randomly.

    Networks with batch norms or dropout do not. The image needs at least two samples; weights,
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
    """Forward and backward pass of each part in its own thread."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, net: nn.Module, images: Sequence[Tensor], *weights: Tensor
    ) -> tuple[Tensor, ...]:
        """Join the scores of the parts along the batch; keep the graph of each for `backward`.

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
        """Add the gradients of the weights over the parts; images get no gradient."""
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
    """Sum the parts' gradients of a weight, in their order; None if no part has a gradient."""
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
    """Return whether a module normalises over a batch, or keeps running averages in buffers."""
    is_batch_norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
    return is_batch_norm or getattr(module, "running_mean", None) is not None
