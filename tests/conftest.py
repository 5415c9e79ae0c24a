import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# the same inputs in every run; folders of a test are shared by all of its inputs
settings.register_profile(
    "fixed",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("fixed")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data for tests; it is not part of the project."""
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    root = Path(os.environ.get("NEUROTARGET_DATA", beside))
    if not root.is_dir():
        pytest.skip(f"real data are absent: no folder {root} (set NEUROTARGET_DATA)")
    return root


@pytest.fixture(scope="session")
def cases_folder() -> Path:
    """Folder of inputs that failed once; they are not part of the project."""
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("NEUROTARGET_DATA", beside)).parent / "cases" / "inputs"
    if not folder.is_dir():
        pytest.skip("shared/cases is not here")
    return folder


@pytest.fixture(scope="session")
def statistics(cases_folder) -> Path:
    """Folder of tables whose right statistics are known."""
    return cases_folder.parent / "statistics"
