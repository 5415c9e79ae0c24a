"""Cost of a network without running it: parameters, FLOPs and peak memory."""

import copy
import logging
import math
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from neurotarget.problems import DataError
from neurotarget.shapes import times

MIB = 2**20
Shape = Sequence[int]
Levels = Tensor | Sequence[Tensor]


class Profile(NamedTuple):
    """Cost of one pass; `flops` and `peak_memory_mib` are for the whole batch."""

    parameters: int
    flops: int
    peak_memory_mib: float


def profile(
    net: nn.Module,
    shape: tuple[int, int, int, int, int],
    *,
    training: bool,
    optimizer_states: int = 0,
    loss: Callable[[Levels, Tensor], Tensor] | None = None,
) -> Profile:
    """Return the cost of a batch of `shape` (B, C, I, J, K), in prediction or training.

    The net runs on fake tensors without content, so that any machine can profile a net of any size;
    the net itself and the random generators are not changed. A step of training is forward and
    backward.

    FLOPs: a multiplication and an addition count as two, as vendors count. Convolutions (including
    padding), matrix products and attention are counted; norms, activations and resizing are not.

    Peak memory: weights, buffers, input, and all results that are alive at one time. In training
    also the labels, the gradients (those of the previous step during the forward pass, as Lightning
    frees them after it) and `optimizer_states` further copies of the weights: 2 for Adam, 1 for
    momentum, 1 more for an average of the weights. Workspaces of libraries and the program itself
    are not included. The precision is that of the net; mixed precision about halves all memory but
    that of the weights.

    Args:
        net: on any device, in any layout.
        shape: sides must be valid for the net.
        training: profile a step of training instead of a prediction.
        optimizer_states: number of copies of the weights in the optimizer.
        loss: function of (levels, labels), by default the cross-entropy of each level.

    Raises:
        DataError: the net does not accept this shape, or cannot run on fake tensors.
    """
    memory, counter = LiveMemory(), FlopCounterMode(display=False, custom_mapping=FORMULAS)
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    try:
        with _quiet():
            judged = _hollow(net, fake).train(training)
            with fake, counter, memory:
                memory.add([*judged.parameters(), *judged.buffers()])
                image = torch.empty(shape)
                if training:
                    _step(judged, image, loss or cross_entropy)
                else:
                    with torch.no_grad():
                        judged(image)
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise DataError(_reason(net, shape, error)) from error
    states = optimizer_states if training else 0
    trained = sum(weight.nbytes for weight in net.parameters() if weight.requires_grad)
    return Profile(
        parameters=sum(weight.numel() for weight in net.parameters()),
        flops=counter.get_total_flops(),
        peak_memory_mib=(memory.peak_bytes + states * trained) / MIB,
    )


class LiveMemory(TorchDispatchMode):
    """Counts the bytes of all live tensor storages, and their maximum."""

    def __init__(self) -> None:
        super().__init__()
        self.live_bytes = self.peak_bytes = 0
        self._known: set[int] = set()

    def add(self, values: object) -> None:
        """Count the tensors in any structure; views of counted storages cost nothing."""
        for value in tree_leaves(values):
            if isinstance(value, Tensor):
                self._add(value.untyped_storage())

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()  # the address that views share
        if key in self._known:
            return
        self._known.add(key)
        self.live_bytes += size
        self.peak_bytes = max(self.peak_bytes, self.live_bytes)
        weakref.finalize(storage, self._remove, key, size)

    def _remove(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live_bytes -= size

    def __torch_dispatch__(
        self,
        func: Callable,
        types: object,
        args: tuple = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        """Run one operation and count its results."""
        result = func(*args, **(kwargs or {}))
        self.add(result)
        return result


def cross_entropy(levels: Levels, labels: Tensor) -> Tensor:
    """Return the sum over levels of the mean cross-entropy.

    Coarser levels get labels of zeros, as the values do not matter for the cost.
    """
    several = [levels] if isinstance(levels, Tensor) else levels
    return sum(F.cross_entropy(level, _labels_for(level, labels)) for level in several)


def _labels_for(level: Tensor, labels: Tensor) -> Tensor:
    grid = (level.shape[0], *level.shape[2:])
    return labels if labels.shape == grid else labels.new_zeros(grid)


def _step(net: nn.Module, image: Tensor, loss: Callable[[Levels, Tensor], Tensor]) -> None:
    """One step of training, with gradients of the previous step alive during forward."""
    before = [torch.empty_like(weight) for weight in net.parameters() if weight.requires_grad]
    labels = torch.zeros(image.shape[0], *image.shape[2:], dtype=torch.long)
    total = _loss(net(image), labels, loss)
    before.clear()
    total.backward()


def _loss(levels: Levels, labels: Tensor, loss: Callable[[Levels, Tensor], Tensor]) -> Tensor:
    finest = levels if isinstance(levels, Tensor) else levels[0]
    return loss(levels, _labels_for(finest, labels))


def _hollow(net: nn.Module, fake: FakeTensorMode) -> nn.Module:
    """Copy of a net whose weights and buffers are fake tensors."""
    with fake:
        hollow: dict[int, Tensor] = {id(buffer): _like(buffer) for buffer in net.buffers()}
        for weight in net.parameters():
            hollow[id(weight)] = nn.Parameter(_like(weight), requires_grad=weight.requires_grad)
    return copy.deepcopy(net, hollow)


def _like(tensor: Tensor) -> Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)


def _reason(net: nn.Module, shape: Shape, error: Exception) -> str:
    name, sides = type(net).__name__, times(shape)
    depends = (DataDependentOutputException, DynamicOutputShapeException)
    if isinstance(error, depends):
        return (
            f"{name}: its control flow depends on values of tensors ({error.func}), so its cost "
            "is unknown without running it; measure it in a training instead"
        )
    reason = " ".join(str(error).split())[:300]
    return f"{name}: {sides} does not go through it ({reason}); change the patch or the model"


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the stack that torch logs when a net refuses its input."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _convolution_backward(grad: Shape, image: Shape, weight: Shape, *rest: Any, **_: object) -> int:  # noqa: ANN401
    """Operations of the backward pass: those of forward for each requested gradient.

    Torch's own formula ignores groups of a convolution.
    """
    is_transposed, (for_image, for_weight, _bias) = rest[4], rest[7]
    places = math.prod((image if is_transposed else grad)[2:])
    forward = 2 * image[0] * places * math.prod(weight)
    return forward * (bool(for_image) + bool(for_weight))


def _attention(query: Shape, key: Shape, value: Shape, *_rest: object, **_: object) -> int:
    """Two matrix products of (B, H, S, D): queries with keys, weights with values."""
    pairs = math.prod(query[:3]) * key[2]
    return 2 * pairs * (query[3] + value[3])


def _attention_backward(
    _grad: Shape, query: Shape, key: Shape, value: Shape, *_rest: object, **_: object
) -> int:
    """Five matrix products: the weights again, and the gradients of all four factors."""
    pairs = math.prod(query[:3]) * key[2]
    return 2 * pairs * (3 * query[3] + 2 * value[3])


FORMULAS = {  # missing or wrong in torch's counter
    torch.ops.aten.convolution_backward: _convolution_backward,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}
