import psutil
import pytest

from neurotarget.process.free_memory import free_memory_mib, own_memory_mib

GIB = 2**30


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """A machine with 8 GiB free."""
    whole = psutil.virtual_memory()._replace(available=8 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: whole)


def group(folder, names, limit, used, freed):
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in zip(names, (limit, used), strict=True):
        (folder / name).write_text(f"{value}\n")
    (folder / "memory.stat").write_text(f"anon 7\n{freed[0]} {freed[1]}\n")


def second(folder, limit, used, freed=0):
    group(folder, ("memory.max", "memory.current"), limit, used, ("inactive_file", freed))


def first(folder, limit, used, freed=0):
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
    group(folder, names, limit, used, ("total_inactive_file", freed))


def free(folder, own):
    (folder / "own").write_text(own)
    return free_memory_mib(folder / "groups", folder / "own")


def test_without_a_limit_the_machine_decides(tmp_path):
    assert free(tmp_path, "0::/\n") == 8 * 1024
    second(tmp_path / "groups" / "job", "max", 5 * GIB)
    assert free(tmp_path, "0::/job\n") == 8 * 1024


def test_a_limit_leaves_what_is_not_in_use_and_what_can_be_freed(tmp_path):
    second(tmp_path / "groups" / "job", 6 * GIB, 3 * GIB, GIB)
    assert free(tmp_path, "0::/job\n") == 4 * 1024


def test_the_limit_of_an_outer_group_counts(tmp_path):
    second(tmp_path / "groups" / "job" / "step", "max", GIB)
    second(tmp_path / "groups" / "job", 2 * GIB, GIB)
    assert free(tmp_path, "0::/job/step\n") == 1024


def test_groups_of_the_first_version_are_read(tmp_path):
    first(tmp_path / "groups" / "memory" / "slurm" / "job", 4 * GIB, GIB, GIB // 2)
    own = "9:name=systemd:/\n4:memory:/slurm/job\n3:cpuset:/\n"
    assert free(tmp_path, own) == 3.5 * 1024


@pytest.mark.parametrize("own", ["", "0::/../elsewhere\n", "4:memory:/none\n"])
def test_groups_that_cannot_be_read_set_no_limit(own, tmp_path):
    assert free(tmp_path, own) == 8 * 1024


def test_no_less_than_nothing_is_free(tmp_path):
    second(tmp_path / "groups" / "job", GIB, 2 * GIB)
    assert free(tmp_path, "0::/job\n") == 0


def test_this_process_takes_memory():
    assert 20 < own_memory_mib() < 20_000
