"""Which training cases the landmarks of a standard scale are learnt from."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from neurotarget.data.batches.prepare import Preparation
from neurotarget.runs.network import standard_scale
from neurotarget.runs.network.standard_scale import learn_scale
from neurotarget.types import Case


def test_cases_of_a_large_cohort_are_read_from_all_of_its_parts(monkeypatch, tmp_path):
    cases = [Case(f"c{n}", f"c{n}", {"t1": Path(f"{n}.nii")}) for n in range(5)]
    read = []

    def inspect(path, *, case_id):
        read.append(case_id)
        return SimpleNamespace(array=np.random.default_rng(0).gamma(2.0, 50.0, (12, 12, 12))), []

    monkeypatch.setattr(standard_scale, "MOST_READ", 3)
    monkeypatch.setattr(standard_scale, "inspect_volume", inspect)
    changed = {}
    data = SimpleNamespace(
        preparation=Preparation("nyul", None),
        read_training=lambda: (None, cases),
        target=SimpleNamespace(contrasts=("t1",)),
        change=lambda **settings: changed.update(settings),
    )
    scaled = learn_scale({"data": {"preparation": {}}}, data, tmp_path, resumed=False)
    assert sorted(read) == ["c0", "c2", "c4"]
    assert changed["preparation"].landmarks == scaled.config["data"]["preparation"]["landmarks"]
    assert "3 of 5 training cases" in scaled.lines[0]
