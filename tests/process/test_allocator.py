"""In processes of their own, since an allocator keeps its settings."""

import subprocess
import sys

import pytest

from neurotarget.process import allocator

# page faults of four tensors of 40 MB, one after the other, once there were some
COUNT = """
import resource, sys, torch
from neurotarget.process.allocator import keep_freed_memory
if sys.argv[1] == "kept" and not keep_freed_memory():
    sys.exit(3)
def work():
    for _ in range(4):
        torch.zeros(10 * 2**20)
for _ in range(5):
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how):
    done = subprocess.run([sys.executable, "-c", COUNT, how], capture_output=True, text=True)
    if done.returncode == 3:
        pytest.skip("the allocator of this system has no such setting")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_tensors_take_memory_that_is_there():
    assert faults("kept") < 1000
    assert faults("left") > 4 * 2000  # each again, in pages of 4 kB


def test_other_systems_are_left_as_they_are(monkeypatch):
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    assert allocator.keep_freed_memory() is False


def test_kept_memory_can_be_returned():
    code = """
import psutil, torch
from neurotarget.process.allocator import keep_freed_memory, return_freed_memory
keep_freed_memory()
held = [torch.ones(2**20) for _ in range(100)]
fence = torch.ones(100)
del held
before = psutil.Process().memory_info().rss
return_freed_memory()
print((before - psutil.Process().memory_info().rss) // 2**20)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    if sys.platform == "linux":
        assert int(done.stdout) > 300  # of 400 MiB
