"""From a scan to predicted outcomes: probabilities of classes and numbers, with flags."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import nibabel as nib
import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from neurotarget.data.batches.prepare import read_scans, to_work
from neurotarget.data.cases.case_outcomes import outcome_codes
from neurotarget.data.scans.geometry import image_to_native
from neurotarget.inference.case_predictor import CasePredictor, Chosen, finite
from neurotarget.inference.ledger import Form
from neurotarget.inference.outcome_table import outcome_form
from neurotarget.inference.recalibration import Recalibration
from neurotarget.inference.recalibration_choice import Known, choose
from neurotarget.inference.segment import save_like
from neurotarget.outcome import Outcome
from neurotarget.problems import DataError
from neurotarget.types import Case, Manifest, Target

UNSURE = 0.2  # flagged: views of one scan whose probabilities differ by more
CUT_SHARE = 0.05  # flagged: a larger share of an image lies outside the network's window
FAR_SD = 4.0  # flagged: a number further from the mean of the training cases
NO_STEPS = Recalibration()


class OutcomePrediction(NamedTuple):
    """Predicted outcomes of one case."""

    case_id: str
    values: dict[str, float]  # probability or number by label of the outcomes' rows
    flags: tuple[str, ...]  # signs of a failure, for a person to check
    maps: Mapping[str, Float[ndarray, "..."]] = MappingProxyType({})  # by label, on the own grid
    header: nib.Nifti1Header | None = None  # of the scan


class OutcomeExample(NamedTuple):
    """A validation case: predicted values by label, codes of its outcomes, subject.

    Attributes:
        values: predicted probability, number or risk of each label, uncorrected.
        codes: of each outcome, see `outcome_codes`; NaN where unknown.
        subject_id: cross-validation keeps the cases of one person together.
    """

    values: Float[ndarray, " labels"]
    codes: Float[ndarray, " outcomes"]
    subject_id: str


class OutcomePredictor(CasePredictor):
    """A trained network that predicts outcomes of whole images; one serves a whole folder.

    `postprocessing` corrects the predicted probabilities. A network with `activation_maps` also
    gives class activation maps, which show the places that raise the score of each label.
    """

    steps_file: ClassVar[str] = "recalibration.json"
    most_examples: ClassVar[int] = 1000
    no_steps: ClassVar[Recalibration] = NO_STEPS

    @property
    def settings(self) -> dict[str, object]:
        """Everything that affects a prediction except the weights and the scan, as plain values."""
        outcomes = [[one.name, one.kind, one.classes, one.unit] for one in self.target.outcomes]
        steps = {"recalibration": self.postprocessing.as_dict()} if self.postprocessing else {}
        return {**super().settings, "outcomes": outcomes, **steps}

    @property
    def form(self) -> Form:
        """Form of outcomes.tsv: a column per label, such as `<outcome>_probability`."""
        return outcome_form(self.target)

    @property
    def has_maps(self) -> bool:
        """Return whether the network has maps of activations."""
        return hasattr(self.net, "activation_maps")

    @property
    def num_always(self) -> int:
        """Number of files that every case has: none, as the result is a row of the table."""
        return 0

    def files(self, case_id: str, output: Path) -> list[Path]:
        """Maps of activations, one for each label, if the network has them."""
        labels = self.form.column_of if self.has_maps else ()
        return [activation_path(output, case_id, label) for label in labels]

    def save(self, prediction: OutcomePrediction, output: Path, *, probabilities: bool) -> None:
        """Write the maps of activations if wanted; the result itself is a row of the table.

        Maps are on the scan's own grid, 0 outside of the network's window.
        """
        for label, values in prediction.maps.items() if probabilities else ():
            save_like(values, prediction.header, activation_path(output, prediction.case_id, label))

    def predict(self, case: Case, *, probabilities: bool = False) -> OutcomePrediction:
        """Predict the outcomes of one case, with `probabilities` also maps of activations.

        Raises:
            DataError: a file is missing or broken, or the region of interest misses the scan.
        """
        scans = read_scans(case, self.target, self.preparation, fill=self.fills_missing)
        image, grid, header = to_work(scans, self.target)
        views = self.views(image)
        corrected = self.postprocessing.apply(self.target.outcomes, views.mean(axis=0))
        values = dict(zip(self.form.column_of, map(float, corrected), strict=True))
        flags = (*self._flags(views, image.shape[1:]), *self.notes_on(scans))
        maps = {}
        if probabilities and self.has_maps:
            found = zip(self.form.column_of, self.activation_maps(image), strict=True)
            maps = {label: image_to_native(one, grid) for label, one in found}
        return OutcomePrediction(case.case_id, values, flags, maps, header)

    @classmethod
    def read_steps(cls, values: Mapping[str, Any], target: Target) -> Recalibration:  # noqa: ARG003
        """Corrections of probabilities from their plain values.

        Raises:
            TypeError, ValueError: they are not as `Recalibration.as_dict` made them.
        """
        return Recalibration(**values)

    def has_reference(self, case: Case) -> bool:
        """Return whether the class of any outcome is known."""
        codes = outcome_codes(case, self.target)
        outcomes = zip(self.target.outcomes, codes, strict=True)
        return any(one.is_class and np.isfinite(code) for one, code in outcomes)

    def example(self, case: Case, manifest: Manifest) -> OutcomeExample:  # noqa: ARG002
        """Predicted values of a case, and the codes of its outcomes.

        Raises:
            DataError: a file is missing or broken.

        The codes are those of `outcome_codes`: NaN where an outcome is unknown. Values are not
        corrected if no steps were learnt yet.
        """
        values = np.array(list(self.predict(case).values.values()))
        return OutcomeExample(values, outcome_codes(case, self.target), case.subject_id)

    def choose(self, examples: Sequence[OutcomeExample]) -> dict[str, Any]:
        """Corrections that make the probabilities of the examples better, and thresholds.

        Cases without a known class of an outcome take no part in its correction; numbers are not
        corrected. Returns plain values of `Chosen`.
        """
        if not examples:
            return Chosen(NO_STEPS, (), ()).as_dict()
        values, codes = (np.stack([one[part] for one in examples]) for part in (0, 1))
        _, subjects = np.unique([one.subject_id for one in examples], return_inverse=True)
        cases, start = [], 0
        for outcome, code in zip(self.target.outcomes, codes.T, strict=True):
            part = slice(start, start := start + len(outcome.labels))
            known = np.isfinite(code)
            if outcome.is_class:
                classes = code[known].astype(int)
                cases.append(Known(outcome, values[known, part], classes, subjects[known]))
        return choose(cases).as_dict()

    def views(self, image: Float[ndarray, "C I J K"]) -> Float[ndarray, "views labels"]:
        """Values of the labels for each view of an image: itself, and its mirror if wanted.

        Raises:
            DataError: the network gives NaN or infinity.
        """
        parts = torch.stack([self.values(one) for one in self._outputs(image)])
        return finite(parts.cpu().numpy().astype(np.float64))

    def values(self, outputs: Float[Tensor, " outputs"]) -> Float[Tensor, " labels"]:
        """Probabilities and numbers from the outputs of the network.

        Outputs are in the order of the target's outcomes, of the sizes of `output_sizes`.
        """
        return torch.cat(
            [
                values_of(outcome, part)
                for outcome, part in zip(
                    self.target.outcomes, outputs.split(output_sizes(self.target)), strict=True
                )
            ]
        )

    @torch.inference_mode()
    def activation_maps(self, image: Float[ndarray, "C I J K"]) -> Float[ndarray, "labels I J K"]:
        """Class activation maps of each label, on the grid of an image; see the network's method.

        They are of the network's own scores, before these are corrected.
        """
        batch = self.batch(image)
        maps = self.net.activation_maps(self.inferer.window(batch))
        return self.inferer.placed(maps, batch.shape[2:])[0].float().cpu().numpy()

    @torch.inference_mode()
    def _outputs(self, image: Float[ndarray, "C I J K"]) -> list[Float[Tensor, " outputs"]]:
        batch = self.batch(image)
        with self.precision():
            return [view[0] for view in self.inferer.views(batch, self.net)]

    def _flags(self, views: Float[ndarray, "views labels"], sides: tuple[int, ...]) -> list[str]:
        flags = []
        window = self.inferer.window_vox
        seen = np.prod([min(side, most) / side for side, most in zip(sides, window, strict=True)])
        if 1 - seen > CUT_SHARE:
            flags.append(
                f"{100 * (1 - seen):.0f} % of the image lies outside the middle "
                f"{' × '.join(map(str, window))} voxels that the network sees"
            )
        labels = [(outcome, label) for outcome in self.target.outcomes for label in outcome.labels]
        spread = np.ptp(views, axis=0)
        for (outcome, label), differs, value in zip(
            labels, spread, views.mean(axis=0), strict=True
        ):
            if outcome.is_class and differs > UNSURE:
                flags.append(f"{label}: its views differ by {differs:.2f} in probability")
            if outcome.kind == "number" and self._is_far(outcome, float(value)):
                flags.append(f"{label}: {value:.4g} is far from the numbers in the training")
        return flags

    def _is_far(self, outcome: Outcome, value: float) -> bool:
        """Return whether a number is more than `FAR_SD` from the mean of the training cases."""
        centre, spread = (getattr(self.net, name, None) for name in ("centre", "spread"))
        if centre is None:
            return False
        at = sum(output_sizes(self.target)[: self.target.outcomes.index(outcome)])
        return abs(value - float(centre[at])) > FAR_SD * float(spread[at])


def activation_path(folder: Path, case_id: str, label: str) -> Path:
    """File of the map of activations of one label, `<case_id>_<label>_activation.nii.gz`."""
    return folder / f"{case_id}_{label}_activation.nii.gz"


def output_sizes(target: Target) -> list[int]:
    """Number of outputs of a network for each outcome: one, or one for each of several classes.

    Raises:
        DataError: an outcome is of a kind that no network here predicts.
    """
    if late := [one.name for one in target.outcomes if one.kind == "time_to_event"]:
        raise DataError(
            f"target {target.name}: found the time to an event {late[0]}, wanted binary, classes "
            "or number; no network here predicts times, so remove the outcome"
        )
    return [len(outcome.labels) for outcome in target.outcomes]


def values_of(
    outcome: Outcome, outputs: Float[Tensor, "*batch outputs"]
) -> Float[Tensor, "*batch outputs"]:
    """Probabilities, or numbers as they are, from the outputs for one outcome.

    Args:
        outcome: binary: one output, of the positive class; classes: one per class; number: one.
        outputs: scores before sigmoid or softmax, along the last axis.
    """
    if outcome.kind == "binary":
        return torch.sigmoid(outputs)
    return torch.softmax(outputs, dim=-1) if outcome.kind == "classes" else outputs
