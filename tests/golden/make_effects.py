"""Draw the small cohort behind effects.tsv: `python tests/golden/make_effects.py`.

Run it only when an effect is meant to change, and look at the difference before committing it.
"""

from pathlib import Path

import pandas as pd

from neurotarget.stats.cohort.measured import Measured, of_volumes
from neurotarget.stats.effects.effect_differences import effect_differences_table
from neurotarget.stats.effects.effects import effects_table
from neurotarget.types import Target

GOLDEN = Path(__file__).parent
COHORT = {  # subject: sex, age, site, TIV in ml, reference and predicted volume in mm³
    "s01": ("F", 23, "a", 1390, 702, 690),
    "s02": ("M", 27, "b", 1610, 655, 661),
    "s03": ("F", 31, "b", 1450, 688, 671),
    "s04": ("M", 36, "a", 1580, 601, 590),
    "s05": ("F", 40, "a", 1420, 664, 668),
    "s06": ("M", 44, "b", 1700, 618, 600),
    "s07": ("F", 49, "b", 1360, 640, 622),
    "s08": ("M", 53, "a", 1520, 570, 575),
    "s09": ("F", 58, "a", 1480, 611, 598),
    "s10": ("M", 62, "b", 1640, 549, 560),
    "s11": ("F", 67, "b", 1330, 630, 607),
    "s12": ("M", 71, "a", 1550, 508, 521),
    "s13": ("F", 75, None, 1410, None, 560),
    "s14": ("M", None, "a", 1590, 580, 566),
}
TARGET = Target(
    name="gland",
    contrasts=("t1",),
    labels={"gland": 1},
    spacing_mm=(1, 1, 1),
    patch_vox=(8, 8, 8),
    hypotheses={
        "sex": {"claim": "volume: F > M", "expected": 46, "source": "Chen 2017"},
        "age": {"claim": "volume ~ age + sex + site: negative", "expected": -3.3},
        "slopes": "volume ~ age*sex: any",
        "curved": "volume ~ sex + spline(age) + tiv: F > M",
    },
)


def tables():
    """Effects and their differences in the cohort, as they are written."""
    names = ["sex", "age", "site", "tiv", "reference", "predicted"]
    table = pd.DataFrame.from_dict(COHORT, orient="index", columns=names)
    table.insert(0, "subject_id", table.index)
    volumes = {method: table[[method]].set_axis(["gland"], axis=1) for method in names[4:]}
    measured = Measured(
        TARGET, of_volumes(volumes), table[["subject_id", *names[:4]]], pd.DataFrame(), "reference"
    )
    return effects_table(measured), effect_differences_table(measured)


if __name__ == "__main__":
    for name, table in zip(("effects", "effect_differences"), tables(), strict=True):
        table.to_csv(GOLDEN / f"{name}.tsv", sep="\t", index=False, float_format="%.9g")
