"""Simulated cohorts with known effects."""

import numpy as np
import pandas as pd

GAP, SLOPE = 60.0, -3.0


def cohort(seed=0, n=80, gap=GAP, slope=SLOPE, sd=60.0):
    """Volumes and covariates of `n` people with a planted gap and slope."""
    generator = np.random.default_rng(seed)
    cases = pd.Index([f"c{number:03}" for number in range(n)], name="case_id")
    table = pd.DataFrame(
        {
            "subject_id": list(cases),
            "sex": generator.permutation(["F", "M"] * (n // 2)),
            "age": generator.uniform(20, 70, n),
            "site": generator.choice(["a", "b", "c"], n),
        },
        index=cases,
    )
    expected = 640 + gap * (table["sex"] == "F") + slope * (table["age"] - 45)
    return expected + generator.normal(0, sd, n), table
