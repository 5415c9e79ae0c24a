"""Names for the shapes of arrays and tensors.

B batch, C contrasts, L labels including background, I J K voxels in canonical order (RAS+: I to
the right, J to the front, K up).
"""

from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from torch import Tensor

Image = Float[Tensor, "B C I J K"]
Logits = Float[Tensor, "B L I J K"]
Inner = Float[Tensor, "B L _ _ _"]  # scores of fewer voxels, where a network does not pad
Levels = Sequence[Inner]  # full grid first, then coarser decoder levels
Feature = Float[Tensor, "B _ _ _ _"]
Labels = Integer[Tensor, "B I J K"]
Outcomes = Float[Tensor, "B outcomes"]  # codes (see `Outcome.code`), NaN where unknown
Outputs = Float[Tensor, "B outputs"]  # of a network that scores whole images
Mask = Bool[ndarray, "I J K"]


class Batch(NamedTuple):
    """Images of one size with label maps, outcomes or both; `case_ids` runs along B.

    Attributes:
        image: (B, C, I, J, K) on the scale of the prepared cases.
        labels: class of each voxel (B, I, J, K); None where outcomes are learnt.
        case_ids: one per patch.
        outcomes: codes (B, outcomes), NaN where unknown; None where label maps are learnt.
    """

    image: Image
    labels: Labels | None
    case_ids: list[str]
    outcomes: Outcomes | None = None


def times(sides: Sequence[int]) -> str:
    """Format a shape as `96×96×96`.

    A scalar, whose shape is empty, is `one number`.
    """
    return "×".join(map(str, sides)) or "one number"
