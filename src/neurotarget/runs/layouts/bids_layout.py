"""Predictions as BIDS-Derivatives: a folder per person, BIDS names, sidecars, label table."""

import json
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from neurotarget.data.derivative_names import derivative_path, plain_value
from neurotarget.data.scans.geometry import image_to_native
from neurotarget.files.ownership import is_free
from neurotarget.files.writing import write_text
from neurotarget.inference.segment import Prediction, save_labels, save_like
from neurotarget.inference.windows.structure_stats import named_structures
from neurotarget.runs.layouts.lookup_tables import write_label_table
from neurotarget.runs.layouts.map_layout import MapLayout
from neurotarget.types import Case, Target

STANDARD = "1.10.0"  # of BIDS
IGNORED = (  # by the validator
    *("volumes.tsv", "people_volumes.*", "prediction.json", "lookup", "lookup/**"),
    *("qc.html", "qc", "qc/**", "**/*_seg.dcm"),
    "**/*_aseg.stats",
)
MAPS = ("dseg.nii.gz", "dseg.json")


class BidsLayout(MapLayout):
    """A predictor of label maps whose files have the names of BIDS-Derivatives.

    Label maps are on the grid of their scan. Each has a sidecar; dseg.tsv, which holds for all of
    them, has number, name and colour of each label.

    Source: Gorgolewski et al. 2016, doi:10.1038/sdata.2016.44.
    """

    name = "bids"

    @property
    def num_always(self) -> int:
        """Number of files of every case: label map, sidecar, and any statistics of structures."""
        return len(MAPS) + bool(named_structures(self.target))

    def files(self, case_id: str, output: Path) -> list[Path]:
        """Files that a case can have: label map, sidecar, statistics, then probabilities.

        Names begin with the entities of the case, as `derivative_path` makes them.
        """
        stats = ["aseg.stats"] if named_structures(self.target) else []
        own = [derivative_path(output, case_id, name) for name in (*MAPS, *stats)]
        return [*own, *(path for pair in self._probabilities(case_id, output) for path in pair)]

    def predict(self, case: Case, *, probabilities: bool = False) -> Prediction:
        """Segment one case.

        Raises:
            DataError: a file is missing or broken, or the region of interest misses the scan.
        """
        return self.inner.predict(case, probabilities=probabilities)

    def save(self, prediction: Prediction, output: Path, *, probabilities: bool) -> None:
        """Write the files of a case atomically, the label map last: it marks a complete case."""
        labels, sidecar, *stats = self.files(prediction.case_id, output)[: self.num_always]
        labels.parent.mkdir(parents=True, exist_ok=True)
        if probabilities:
            self._save_probabilities(prediction, output)
        if stats:
            self.inner.save_stats(prediction, stats[0])
        what = f"Labels of the target {self.target.name}, by number in dseg.tsv"
        _write_sidecar(sidecar, what)
        save_labels(prediction, self.target, labels)

    def describe(self, output: Path, made_by: str) -> None:
        """Write the description of the data set and the table of its labels.

        Files that a person has completed, for instance with authors, are kept.

        Args:
            output: folder of the data set.
            made_by: hash of the weights, whose first 16 digits are named.
        """
        maker = {
            "Name": "neurotarget",
            "Version": version("neurotarget"),
            "Description": f"target {self.target.name}, weights {made_by[:16]}",
        }
        description = {
            "Name": f"{self.target.name} by neurotarget",
            "BIDSVersion": STANDARD,
            "DatasetType": "derivative",
            "GeneratedBy": [maker],
        }
        texts = {
            "dataset_description.json": _json(description),
            ".bidsignore": "".join(f"{line}\n" for line in IGNORED),
            "README.md": _readme(self.target),
        }
        for name, text in texts.items():
            if is_free(output / name):
                write_text(output / name, text)
        write_label_table(self.target, output)

    def _save_probabilities(self, prediction: Prediction, output: Path) -> None:
        pairs = self._probabilities(prediction.case_id, output)
        for number, (path, sidecar) in enumerate(pairs, start=1):
            values = image_to_native(prediction.probabilities[number], prediction.grid)
            save_like(values, prediction.header, path)
            name = self.target.label_names[number - 1]
            _write_sidecar(sidecar, f"Probability of {name}, 0 to 1")

    def _probabilities(self, case_id: str, output: Path) -> list[tuple[Path, Path]]:
        """Map and sidecar of each label."""
        return [
            (
                derivative_path(output, case_id, "probseg.nii.gz", label=label),
                derivative_path(output, case_id, "probseg.json", label=label),
            )
            for label in label_values(self.target.label_names)
        ]


def label_values(names: Iterable[str]) -> list[str]:
    """Values of the entity `label`; those that would be equal get the number of their label.

    Upper and lower case do not distinguish values, as some file systems do not.
    """
    values = [plain_value(name) for name in names]
    folded = [value.casefold() for value in values]
    return [
        f"{value}{number}" if folded.count(folded[number - 1]) > 1 else value
        for number, value in enumerate(values, start=1)
    ]


def _write_sidecar(path: Path, what: str) -> None:
    write_text(path, _json({"Description": what, "Manual": False, "SpatialReference": "orig"}))


def _readme(target: Target) -> str:
    return (
        f"# {target.name}\n\nLabel maps by neurotarget, each on the grid of its scan, as "
        "BIDS-Derivatives. `dseg.tsv` has number, name and colour of each label, `volumes.tsv` "
        "the volumes in mm³ and notes on what to check, and `people_volumes.tsv` the volumes with "
        "the covariates of each person.\n"
    )


def _json(values: object) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"
