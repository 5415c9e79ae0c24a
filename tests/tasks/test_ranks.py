"""Scores of validation cases that several processes have."""

import socket
import subprocess
import sys

RANKS = """
import sys, torch.distributed as dist
from neurotarget.tasks.base import gather
from neurotarget.tasks.scores import CaseScore
rank = int(sys.argv[1])
dist.init_process_group("gloo", f"tcp://127.0.0.1:{sys.argv[2]}", rank=rank, world_size=2)
mine = {name: CaseScore([rank], [2], [3], 0.5, 8) for name in (["b", "c"] if rank else ["a", "b"])}
print(list(gather(mine)))
"""


def test_ranks_gather_all_cases_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    ranks = [
        subprocess.Popen([sys.executable, "-c", RANKS, rank, port], stdout=subprocess.PIPE)
        for rank in ("0", "1")
    ]
    assert [rank.communicate(timeout=120)[0].decode().strip() for rank in ranks] == [
        "['a', 'b', 'c']"
    ] * 2
