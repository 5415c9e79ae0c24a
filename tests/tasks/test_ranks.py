"""Scores of validation cases that several processes have."""

import socket
from multiprocessing import get_context

import torch.distributed as dist

from neurotarget.tasks.base import gather
from neurotarget.tasks.scores import CaseScore


def gather_cases(rank, port, results):
    """Join the group as one of two ranks; both have case b."""
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    names = ["b", "c"] if rank else ["a", "b"]
    results.put(list(gather({name: CaseScore([rank], [2], [3], 0.5, 8) for name in names})))


def test_ranks_gather_all_cases_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = get_context("fork")  # what this process has imported
    results = context.SimpleQueue()
    ranks = [
        context.Process(target=gather_cases, args=(rank, port, results), daemon=True)
        for rank in (0, 1)
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(timeout=120)
    assert [rank.exitcode for rank in ranks] == [0, 0]
    assert [results.get() for _ in ranks] == [["a", "b", "c"]] * 2
