"""Coverage of each interval of agreement: `python tests/oracles/coverage.py`.

Designs: *normal* volumes and errors; *skewed*, lognormal volumes (SD of the logarithm 0.4) with
lognormal errors (0.5); *clustered*, three scans per subject whose volumes correlate by 0.81 and
errors by 0.5. Methods are sampled anew for every sample: `icc_a1` describes all methods, the other
statistics describe the sampled method.
"""

import math
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from scipy.stats import spearmanr

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from neurotarget.stats.core.interval import mean_interval
from neurotarget.stats.core.resample import PairMeans, pair_means, pair_statistics
from neurotarget.stats.tables.agreement import agreement_intervals

DESIGNS = ("normal", "skewed", "clustered")
PEOPLE = (8, 12, 20, 40)
SCANS = 3  # a person, in the clustered design
ERROR_SD = 60.0  # mm³
METHOD_SD = 30.0  # mm³, of what a method adds to every volume
LARGE = 200_000  # people whose statistics are taken for the truth

Cases = Float[ndarray, " N"]


def sample(
    design: str, people: int, generator: np.random.Generator
) -> tuple[Cases, Cases, Integer[ndarray, " N"]]:
    """Reference, and error of the method without bias, of each case, and whose case it is."""
    if design == "skewed":
        truth = 640 * np.exp(generator.normal(-0.08, 0.4, people))
        error = np.exp(generator.normal(0, 0.5, people))
        error = (error - math.exp(0.125)) / math.sqrt(math.exp(0.25) * (math.exp(0.25) - 1))
        return truth, ERROR_SD * error, np.arange(people)
    scans = SCANS if design == "clustered" else 1
    own, of_scan = generator.normal(size=(2, people)), generator.normal(size=(2, people * scans))
    shares = (0.9, math.sqrt(0.5)) if design == "clustered" else (1.0, 1.0)
    truth, error = (
        share * person.repeat(scans) + math.sqrt(1 - share**2) * scan
        for share, person, scan in zip(shares, own, of_scan, strict=True)
    )
    return 640 + 115 * truth, ERROR_SD * error, np.arange(people).repeat(scans)


@lru_cache
def large(design: str) -> tuple[PairMeans, float]:
    """Moments of a large cohort whose second method has no bias, and its rank correlation."""
    truth, error, _ = sample(design, LARGE, np.random.default_rng(1))
    nobody = np.zeros(len(truth), dtype=int)
    found = pair_means(np.ones((1, 1)), truth, truth + error - error.mean(), nobody)
    return found, float(spearmanr(truth, truth + error).statistic)


def truths(design: str, bias: float) -> dict[str, float]:
    """Statistics of all people, where the second method adds `bias`."""
    pair, rho = large(design)
    shifted = pair._replace(mean_y=pair.mean_y + bias)
    found = {name: float(values[0]) for name, values in pair_statistics(shifted).items()}
    spread = float(pair.var_x[0] + pair.var_y[0]) / 2
    return found | {
        "spearman_rho": rho,
        "icc_a1_fixed": found["icc_a1"],
        "icc_a1": float(pair.cov_xy[0]) / (spread + METHOD_SD**2),
        "mean_volume": float(pair.mean_x[0]),
    }


def covered(design: str, people: int, *, samples: int) -> dict[str, float]:
    """Share of samples whose interval holds the truth, by statistic."""
    hits: dict[str, list[bool]] = {}
    for seed in range(samples):
        generator = np.random.default_rng([seed, people])
        truth, error, subject = sample(design, people, generator)
        bias = generator.normal(0, math.sqrt(2) * METHOD_SD)
        table = np.stack([truth, truth + bias + error], axis=1)
        found = agreement_intervals(table, subject, people, seed=0)
        ends = {name: (one.low, one.high) for name, one in found.items()}
        del ends["bias_percent"]  # as the bias
        ends["mean_volume"] = mean_interval(truth, subject, people)
        known = truths(design, bias)
        for name, (low, high) in ends.items():
            hits.setdefault(name, []).append(low <= known[name] <= high)
    return {name: float(np.mean(held)) for name, held in hits.items()}


def table(samples: int) -> str:
    """Markdown: a row a statistic, a column a design and number of people."""
    columns = [(design, people) for design in DESIGNS for people in PEOPLE]
    shares = {place: covered(*place, samples=samples) for place in columns}
    heads = [f"{design} {people}" for design, people in columns]
    lines = [f"| statistic | {' | '.join(heads)} |", "|---" * (len(columns) + 1) + "|"]
    for name in shares[columns[0]]:
        cells = [f"{shares[place][name]:.2f}" for place in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
