"""Parts of a batch side by side on a CPU, each computed by a thread of its own.

Threads that share each convolution wait for each other at its end: hundreds of times a pass, and
long if another program has one of the cores. Threads with samples of their own wait once.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Item = TypeVar("Item")
Made = TypeVar("Made")

FEWEST = 2  # samples in a part: PyTorch convolves single small images without oneDNN


def number_of_parts(samples: int) -> int:
    """Parts of a batch, one for each thread; 1 if the batch is too small to be divided.

    Each part has two samples at least.
    """
    return max(min(torch.get_num_threads(), samples // FEWEST), 1)


def map_in_threads(function: Callable[[Item], Made], items: Sequence[Item]) -> list[Made]:
    """Results of a function of each item, each in a thread that has its share of the cores.

    The threads compute in the precision and with the gradients of the calling thread.
    """
    threads = max(torch.get_num_threads() // len(items), 1)
    kind, is_mixed = torch.get_autocast_dtype("cpu"), torch.is_autocast_enabled("cpu")
    is_inference, has_gradients = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    def one(item: Item) -> Made:
        with (
            torch.inference_mode(is_inference),
            torch.set_grad_enabled(has_gradients),
            torch.autocast("cpu", kind, enabled=is_mixed),
        ):
            return function(item)

    with (
        _threads(threads),
        ThreadPoolExecutor(len(items), "parts", _use_threads, (threads,)) as pool,
    ):
        return list(pool.map(one, items))


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Compute with another number of threads, also in libraries that have one for all."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _use_threads(number: int) -> None:
    torch.set_num_threads(number)
    torch.get_num_threads()  # without it, the first computation reads the number of all threads
