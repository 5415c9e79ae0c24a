"""Base of the layouts of label maps, which wrap a predictor."""

from pathlib import Path
from typing import ClassVar

from neurotarget.inference.case_predictor import CasePredictor
from neurotarget.inference.ledger import Form
from neurotarget.inference.segment import Predictor
from neurotarget.problems import DataError
from neurotarget.types import Case, Target


class MapLayout:
    """A predictor of label maps of volumes, whose files a subclass names and writes."""

    name: ClassVar[str]
    wanted: ClassVar[str] = "labels of volumes"

    def __init__(self, inner: CasePredictor) -> None:
        """Wrap a predictor.

        Raises:
            DataError: the layout cannot hold its predictions.
        """
        if not self.is_fit(inner):
            raise DataError(
                f"layout: found {self.name} for the target {inner.target.name}, wanted "
                f"{self.wanted}; set layout=plain"
            )
        self.inner = inner

    @classmethod
    def is_fit(cls, inner: CasePredictor) -> bool:
        """Return whether the layout can hold the predictions: label maps of volumes."""
        return isinstance(inner, Predictor) and not inner.target.is_flat

    @property
    def target(self) -> Target:
        """Target of the predictor: its contrasts, grid and labels."""
        return self.inner.target

    @property
    def form(self) -> Form:
        """Form of the table of volumes."""
        return self.inner.form

    @property
    def settings(self) -> dict[str, object]:
        """Everything that affects a prediction except the weights and the scan, as plain values."""
        return {**self.inner.settings, "layout": self.name}

    def files(self, case_id: str, output: Path) -> list[Path]:
        """Files that a case can have, the label map first."""
        raise NotImplementedError

    def looked_at(self, case: Case, output: Path) -> tuple[Path, Path | None]:
        """Files of a predicted case to look at: its first scan, and the label map."""
        return next(iter(case.images.values())), self.files(case.case_id, output)[0]
