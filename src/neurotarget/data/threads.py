"""Many cases in a few threads, which end soon where the command is stopped."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


def mapped(act: Callable[[S], T], items: Iterable[S], workers: int) -> Iterator[T]:
    """Results in the order of the items; after a stop only what is in work is finished.

    `ThreadPoolExecutor` alone would finish all that waits, for hours, before it lets an error go.
    """
    pool = ThreadPoolExecutor(max_workers=max(workers, 1))
    try:
        yield from pool.map(act, items)
    finally:
        pool.shutdown(cancel_futures=True)
