"""Parallel work on many cases in threads that end soon when the command is stopped."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


def mapped(act: Callable[[S], T], items: Iterable[S], workers: int) -> Iterator[T]:
    """Results of `act` in the order of the items; after a stop only running calls finish.

    `ThreadPoolExecutor` alone would finish all pending items, for hours, before it raises the
    error.
    """
    pool = ThreadPoolExecutor(max_workers=max(workers, 1))
    try:
        yield from pool.map(act, items)
    finally:
        pool.shutdown(cancel_futures=True)
