"""The built-in cohort of knees, or with `data.root` the user's own exams.

The knees are generated. They show that the software works from exams to fused probabilities, but
not how well a network detects findings in real knees.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from neurotarget.data.scans.planes import PLANES
from neurotarget.data.series.exams import Exams
from neurotarget.files.writing import expand_home, table_text, write_text
from neurotarget.phantom.cohort import GeneratedCohort, Scans, nifti
from neurotarget.phantom.knee.knee_plan import KneePlan
from neurotarget.phantom.knee.knee_scans import series_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KneeCohort(GeneratedCohort):
    """One series of generated knees, one knee per person; or of the exams in `data.root`.

    In each exam, the file `marks_<series>` labels the voxels of findings: 1 anterior cruciate
    ligament, 2 meniscus, 3 another finding. Some exams lack a series.
    """

    columns: ClassVar[Mapping[str, str]] = {
        **{plane: plane for plane in PLANES},
        **{f"marks_{plane}": f"marks_{plane}" for plane in PLANES},
    }
    covariates = (
        "site", "side", "abnormal", "acl", "meniscus", "torn_side", "other", "effusion", "bruise",
    )  # fmt: skip
    bar_text = "generating knees"
    warm = staticmethod(lambda: None)

    plan: KneePlan = field(default_factory=KneePlan)
    series: str = PLANES[0]
    n_folds: int = 5
    split_seed: int = 1

    def obtain(self, root: str | None) -> Path:
        """Return the table of exams that have the series: generated if missing, or the user's own.

        Raises:
            DataError: the user's exams cannot be used.
        """
        folder = expand_home(self.folder)
        exams = Exams(str(folder / "exams"), self.series, self.n_folds, self.split_seed)
        if root:
            return exams.obtain(root)
        log.warning("these knees come from formulas: their scores are no evidence about MRI")
        manifest = self.generate(folder / self.plan.key)
        lacking = {person.case_id: person.lacking for person in self.plan.subjects()}
        table = pd.read_csv(manifest, dtype=str, keep_default_na=False)
        for plane in PLANES:
            absent = table["case_id"].map(lacking) == plane
            table.loc[absent, plane] = ""
        marks = [f"marks_{plane}" for plane in PLANES]  # files that no network reads
        path = manifest.with_name(f".{self.series}_exams.tsv")
        write_text(path, table_text(table.drop(columns=marks)))
        return exams.obtain(str(path))

    def render(self, number: int) -> Scans:
        """Return the series of one exam and the label maps of its findings, by folder name.

        A series that the exam lacks has no file.
        """
        plan = self.plan
        person, sides = plan.subjects()[number], (plan.side_vox, plan.num_slices)
        made = {}
        for plane in PLANES:
            rng = np.random.default_rng([plan.seed, 1, number])  # the same knee in each series
            grey, mark, affine = series_of(person, plane, sides, rng)
            if plane != person.lacking:
                made[plane] = nifti(grey, affine)
                made[f"marks_{plane}"] = nifti(mark, affine)
        return made
