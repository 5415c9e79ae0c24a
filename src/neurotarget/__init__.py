"""Target-oriented deep learning for brain MRI: from scans and masks to the answered question.

```
import neurotarget as nt

run = nt.train("pituitary", model="segresnet")
predictions = nt.predict(run, "scans", "masks")
study = nt.study(masks="masks", manifest="participants.tsv", target="pituitary")
```
Importing it loads nothing else; each function loads what it needs when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neurotarget.api.compare import Comparison, compare
    from neurotarget.api.data import (
        Problems,
        evaluate,
        init_target,
        lint,
        look,
        prepare,
        read_manifest,
        read_target,
        relabel,
    )
    from neurotarget.api.export import NetworkFile, export
    from neurotarget.api.features import features
    from neurotarget.api.fuse import fuse
    from neurotarget.api.fuse_series import fuse_series
    from neurotarget.api.maps import Maps, qsm, swi
    from neurotarget.api.networks import list_models, list_weights, model_card
    from neurotarget.api.predict import Predictions, predict
    from neurotarget.api.quantitative import adc, dsc
    from neurotarget.api.radiomics import Radiomics, radiomics
    from neurotarget.api.stress import stress
    from neurotarget.api.study import Study, study
    from neurotarget.api.survival import Survival, survival
    from neurotarget.api.train import Run, open_run, train
    from neurotarget.problems import DataError
    from neurotarget.types import Case, Manifest, Target

_PLACES = {
    "Case": "types",
    "Comparison": "api.compare",
    "DataError": "problems",
    "Manifest": "types",
    "Maps": "api.maps",
    "NetworkFile": "api.export",
    "Predictions": "api.predict",
    "Problems": "api.data",
    "Radiomics": "api.radiomics",
    "Run": "api.train",
    "Study": "api.study",
    "Survival": "api.survival",
    "Target": "types",
    "adc": "api.quantitative",
    "compare": "api.compare",
    "dsc": "api.quantitative",
    "evaluate": "api.data",
    "export": "api.export",
    "features": "api.features",
    "fuse": "api.fuse",
    "fuse_series": "api.fuse_series",
    "init_target": "api.data",
    "lint": "api.data",
    "look": "api.data",
    "list_models": "api.networks",
    "list_weights": "api.networks",
    "model_card": "api.networks",
    "open_run": "api.train",
    "predict": "api.predict",
    "prepare": "api.data",
    "qsm": "api.maps",
    "radiomics": "api.radiomics",
    "read_manifest": "api.data",
    "read_target": "api.data",
    "relabel": "api.data",
    "stress": "api.stress",
    "study": "api.study",
    "survival": "api.survival",
    "swi": "api.maps",
    "train": "api.train",
}
__all__ = [
    "Case",
    "Comparison",
    "DataError",
    "Manifest",
    "Maps",
    "NetworkFile",
    "Predictions",
    "Problems",
    "Radiomics",
    "Run",
    "Study",
    "Survival",
    "Target",
    "adc",
    "compare",
    "dsc",
    "evaluate",
    "export",
    "features",
    "fuse",
    "fuse_series",
    "init_target",
    "lint",
    "list_models",
    "list_weights",
    "look",
    "model_card",
    "open_run",
    "predict",
    "prepare",
    "qsm",
    "radiomics",
    "read_manifest",
    "read_target",
    "relabel",
    "stress",
    "study",
    "survival",
    "swi",
    "train",
]


def __getattr__(name: str) -> object:
    """Load a function or class of the public interface at its first use."""
    if name not in _PLACES:
        raise AttributeError(f"module 'neurotarget' has no attribute {name!r}")
    return getattr(import_module(f"neurotarget.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
