"""Error rates of verdicts: `python tests/oracles/verdicts.py [draws]`.

Cohorts have two groups with ages. The patients' volumes are smaller by nothing, by half of the
published effect, or by all of it; the spread of patients is that of controls or twice it. A network
measures without error, shrinks volumes towards their mean (0.6 of each difference, little noise),
or adds noise as large as the spread of the volumes.
"""

import sys
from collections import Counter
from itertools import product

import numpy as np
import pandas as pd

from neurotarget.stats.cohort.measured import Measured, of_volumes
from neurotarget.stats.effects.effects import effects_table
from neurotarget.stats.effects.verdict import ABSENT, OPPOSITE, SHOWN_KINDS, SMALLER
from neurotarget.types import Target

SD, PUBLISHED = 60.0, -48.0  # mm³: a published effect of 0.8 SD
EFFECTS = {"none": 0.0, "half": 0.5, "full": 1.0}
SIZES = (20, 40, 100)
SPREADS = {"equal": 1.0, "unequal": 2.0}
NETWORKS = ("perfect", "attenuated", "noisy")
COLUMNS = ("effect", "n", "spread", "volumes")
CLAIM = {"claim": "volume ~ group + age: patient < control", "expected": PUBLISHED}
TARGET = Target("gland", ["t1"], {"gland": 1}, [1] * 3, [8] * 3, hypotheses={"group": CLAIM})


def drawn(effect: str, n: int, spread: str, draw: int) -> dict[str, str]:
    """Verdicts on one cohort, by the reference and each network."""
    rng = np.random.default_rng([draw, n, list(EFFECTS).index(effect)])
    is_patient = np.arange(n) % 3 == 0 if spread == "unequal" else np.arange(n) % 2 == 0
    age = rng.uniform(20, 80, n)
    sd = np.where(is_patient, SPREADS[spread], 1.0) * SD
    truth = 700 - age + EFFECTS[effect] * PUBLISHED * is_patient + sd * rng.standard_normal(n)
    noise = rng.standard_normal(n)
    volumes = {
        "reference": truth,
        "perfect": truth + 0.1 * SD * noise,
        "attenuated": 0.6 * truth + 260 + 0.2 * SD * noise,
        "noisy": truth + SD * noise,
    }
    index = pd.Index([f"c{number:03}" for number in range(n)])
    group = np.where(is_patient, "patient", "control")
    known = pd.DataFrame({"subject_id": index, "age": age, "group": group}, index=index)
    tables = {name: pd.DataFrame({"gland": values}, index) for name, values in volumes.items()}
    found = effects_table(Measured(TARGET, of_volumes(tables), known, pd.DataFrame(), "reference"))
    return dict(zip(found["method"], found["verdict"], strict=True))


def simulated(draws: int, *, effects=tuple(EFFECTS), sizes=SIZES, spreads=tuple(SPREADS)):
    """Share of each verdict in %, a row for each setting and set of volumes."""
    rows = []
    for effect, n, spread in product(effects, sizes, spreads):
        counts: dict[str, Counter] = {name: Counter() for name in ("reference", *NETWORKS)}
        for draw in range(draws):
            for name, verdict in drawn(effect, n, spread, draw).items():
                counts[name][verdict] += 1
        for name, count in counts.items():
            share = {
                "shown": sum(count[word] for word in SHOWN_KINDS),
                "of it smaller": count[SMALLER],
                "absent": count[ABSENT],
                "opposite": count[OPPOSITE],
            }
            share["open"] = draws - share["shown"] - share["absent"] - share["opposite"]
            percent = {word: 100 * hits / draws for word, hits in share.items()}
            rows.append(dict(zip(COLUMNS, (effect, n, spread, name), strict=True)) | percent)
    return pd.DataFrame(rows)


def main() -> None:
    """Print the table as Markdown."""
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    table = simulated(draws)
    print("| " + " | ".join(table) + " |")
    print("|" + "---|" * len(table.columns))
    for row in table.itertuples(index=False):
        cells = (f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in row)
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
