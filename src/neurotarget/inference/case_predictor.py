"""The base of predictors: a trained network with everything it needs to read a scan."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from neurotarget.data.batches.prepare import VERSION, Preparation, Scans, stored
from neurotarget.data.scans.film_views import Usual, oddities, view_of
from neurotarget.inference.ledger import Form
from neurotarget.models.memory_layout import channels_last
from neurotarget.problems import DataError
from neurotarget.shapes import Image
from neurotarget.types import Case, Manifest, Target


class Steps(Protocol):
    """Post-processing of predictions, learned on validation cases; false if it changes nothing."""

    def __bool__(self) -> bool: ...

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, from which the predictor's `read_steps` makes the steps again."""


class Chosen(NamedTuple):
    """Steps that are kept, all trials in order, and the effect of the kept steps.

    Attributes:
        steps: false if none is kept.
        trials: one record of plain values per step that was tried.
        changes: one record of plain values per label or outcome, before and after the kept steps.
    """

    steps: Steps
    trials: Sequence[Any]
    changes: Sequence[Any]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, which has no NaN.

        Keys are `steps`, `changes` and `trials`; NaN becomes null.
        """
        trials, changes = (
            [_without_nan(one._asdict()) for one in rows] for rows in (self.trials, self.changes)
        )
        return {"steps": self.steps.as_dict(), "changes": changes, "trials": trials}


class CasePredictor(ABC):
    """A network, its target, preparation and `inferer`, which runs it on a working box.

    A prediction has `case_id`, `values` (by the names in `form`) and `flags`, signs of a failure
    for a person to check. `postprocessing` are steps of the class's own kind, which a run learns on
    its validation cases: each gives an `example`, and `choose` keeps the steps that help.

    Args:
        net: its weights are moved to the device, and it is set to evaluation.
        target: contrasts, grid, and labels or outcomes.
        preparation: intensity scale of the training.
        inferer: runs the network on a batch of working boxes, in windows or as a whole.
        device: such as `cpu` or `cuda`.
        bf16: whether the network computes in bfloat16, where its layers allow it.
        postprocessing: steps on predictions; None for none.
        usual: what the films of the training have in common; an odd film is flagged.
        fills_missing: whether the network has learnt to do without some contrasts.
    """

    steps_file: ClassVar[str]  # in the run folder
    most_examples: ClassVar[int]  # validation cases to predict; more hardly change the choice
    no_steps: ClassVar[Steps]

    def __init__(
        self,
        net: nn.Module,
        target: Target,
        preparation: Preparation,
        *,
        inferer: Callable[[Tensor, nn.Module], Tensor],
        device: str = "cpu",
        bf16: bool = False,
        postprocessing: Steps | None = None,
        usual: Usual | None = None,
        fills_missing: bool = False,
    ) -> None:
        self.device, self.bf16 = torch.device(device), bf16
        self.net = channels_last(net.eval().to(self.device))
        self.target, self.preparation, self.inferer = target, preparation, inferer
        self.postprocessing = self.no_steps if postprocessing is None else postprocessing
        self.usual, self.fills_missing = usual, fills_missing

    def use_steps(self, postprocessing: Steps) -> None:
        """Replace the steps after a prediction, such as by those of an ensemble."""
        self.postprocessing = postprocessing

    @property
    def settings(self) -> dict[str, object]:
        """Everything that affects a prediction except the weights and the scan, as plain values."""
        target = self.target
        return {
            "version": VERSION,
            "contrasts": target.contrasts,
            **({"derived": dict(target.derived)} if target.derived else {}),
            "spacing_mm": target.spacing_mm,
            **({"size_vox": target.size_vox} if target.size_vox else {}),
            "roi": asdict(target.roi) if target.roi else None,
            "preparation": asdict(self.preparation),
            "window_vox": self.inferer.window_vox,
            "mirror": self.inferer.swap is not None,
            **({"centre": True} if getattr(self.inferer, "centre", False) else {}),
        }

    @property
    def plain_steps(self) -> dict[str, Any] | None:
        """Plain values from which `read_steps` makes the steps; None if there are none."""
        return self.postprocessing.as_dict() if self.postprocessing else None

    @property
    @abstractmethod
    def form(self) -> Form:
        """Form of the table of results: its file, and the column of each predicted value."""

    @abstractmethod
    def files(self, case_id: str, output: Path) -> list[Path]:
        """Files that a case can have, the constant ones first.

        The list is empty if the result of a case is only a row of the table.

        Args:
            case_id: of the case.
            output: folder of the predictions.
        """

    @property
    def has_maps(self) -> bool:
        """Return whether a run keeps maps of its held-out cases, as `probabilities` asks for."""
        return False

    @property
    def num_always(self) -> int:
        """Number of `files` that a predicted case always has."""
        return 1

    def looked_at(self, case: Case, output: Path) -> tuple[Path, Path | None]:
        """Files of a predicted case to look at: its first scan, and the label map if it has one."""
        files = self.files(case.case_id, output)
        return next(iter(case.images.values())), files[0] if files else None

    @abstractmethod
    def predict(self, case: Case, *, probabilities: bool = False) -> Any:  # noqa: ANN401
        """Predict one case; with `probabilities` also those that `save` can write.

        Raises:
            DataError: a file is missing or broken, or the region of interest misses the scan.
        """

    @abstractmethod
    def save(
        self,
        prediction: Any,  # noqa: ANN401
        output: Path,
        *,
        probabilities: bool,
    ) -> None:
        """Write the files of a case atomically, in place of those of an earlier prediction.

        Args:
            prediction: of `predict`.
            output: folder of the predictions.
            probabilities: whether the files of probabilities are written too; `predict` must have
                been asked for them.
        """

    @classmethod
    @abstractmethod
    def read_steps(cls, values: Mapping[str, Any], target: Target) -> Steps:
        """Steps for a target from their plain values.

        Raises:
            ValueError, TypeError: they are not as `Steps.as_dict` made them.
        """

    @abstractmethod
    def has_reference(self, case: Case) -> bool:
        """Return whether steps can be chosen on a case, whose mask or class must be known."""

    @abstractmethod
    def example(self, case: Case, manifest: Manifest) -> Any:  # noqa: ANN401
        """Predict a validation case and read its reference.

        Args:
            case: of the validation cases.
            manifest: has the data set's own label ids.

        Raises:
            DataError: a file is missing or broken, or the reference does not fit.
        """

    @abstractmethod
    def choose(self, examples: Sequence[Any]) -> dict[str, Any]:
        """Steps that improve the examples, under `steps`, with `trials` and `changes`.

        All are plain values for JSON, see `Chosen.as_dict`.
        """

    def notes_on(self, scans: Scans) -> tuple[str, ...]:
        """Notes for a person on the files of a case, such as that a film is odd."""
        odd = oddities(view_of(scans.first.array), self.usual) if self.usual is not None else []
        return (*odd, *scans.warnings)

    def batch(self, image: Float[ndarray, "C I J K"]) -> Image:
        """A working box as a batch of one on the network's device, rounded as in training."""
        batch = torch.from_numpy(stored(image)).float()[None].to(self.device)
        return batch.contiguous(memory_format=torch.channels_last_3d)

    def precision(self) -> torch.autocast:
        """Context in which the network computes: in bfloat16, or in its own precision."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)


def _without_nan(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in values.items()
    }


def finite(values: ndarray) -> ndarray:
    """Return predicted values if all of them are finite.

    Raises:
        DataError: one is not.
    """
    if not np.isfinite([values.min(), values.max()]).all():  # NaN where any value is
        raise DataError(
            "found probabilities that are NaN, wanted numbers from 0 to 1; look at the scan "
            "for voxels that are NaN or huge, or use other weights"
        )
    return values
