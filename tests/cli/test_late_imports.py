import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("script", ["train", "predict"])
def test_a_slip_is_answered_before_lightning_and_monai_are_read(script):
    code = (
        f"import sys; import {script}; print({{'pytorch_lightning', 'monai'}} & {{*sys.modules}})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
