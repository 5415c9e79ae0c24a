"""Compute the probability of a finding in a film from the probabilities of its pixels."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

ImageScoreKind = Literal["maximum", "top_k", "triplet"]
IMAGE_SCORES = get_args(ImageScoreKind)
MOST_PX = 10**8


@dataclass(frozen=True, slots=True)
class ImageScore:
    """Method for the score of a film, set by the user; pixels are those of the network's input.

    - `maximum`: the highest probability of a pixel;
    - `top_k`: the mean of the `top_k_px` highest probabilities;
    - `triplet`: the highest threshold that `least_area_px` pixels exceed. A film counts as positive
      if this threshold is above `top_score`. Its mask then has the pixels above `bottom_score`,
      else it is empty. The score is rescaled so that `top_score` becomes 0.5.

    Source: Gooßen et al. 2019, arXiv:1907.07324 (score of a segmentation); of the triplet the first
    place of SIIM-ACR 2019: 0.75, 2000 pixels of 1024 × 1024 (here of 480 × 480) and 0.3.
    """

    by: ImageScoreKind = "maximum"
    top_k_px: int = 200
    top_score: float = 0.75
    least_area_px: int = 440
    bottom_score: float = 0.3

    def __post_init__(self) -> None:
        if wrong := next((text for text, occurs in self._errors().items() if occurs), None):
            raise ValueError(wrong)

    def _errors(self) -> dict[str, bool]:
        """Return possible errors, and whether each error occurs."""
        areas = {name: getattr(self, name) for name in ("top_k_px", "least_area_px")}
        shares = {name: getattr(self, name) for name in ("top_score", "bottom_score")}
        are_numbers = all(isinstance(value, float) for value in shares.values())
        return {
            f"by: found {self.by!r}, wanted {', '.join(IMAGE_SCORES)}": self.by not in IMAGE_SCORES,
            **{
                f"{name}: found {value!r}, wanted a whole number of pixels from 1": not (
                    isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_PX
                )
                for name, value in areas.items()
            },
            **{
                f"{name}: found {value!r}, wanted a number between 0 and 1": not (
                    isinstance(value, float) and 0 < value < 1
                )
                for name, value in shares.items()
            },
            f"bottom_score: found {self.bottom_score!r}, wanted at most the top_score, "
            f"{self.top_score!r}": (
                self.by == "triplet" and are_numbers and self.bottom_score > self.top_score
            ),
        }


def image_score(value: object) -> ImageScore | None:
    """Read an image score from its fields; null and parsed scores are kept.

    Raises:
        ValueError: a field is unknown or invalid.
    """
    if value is None or isinstance(value, ImageScore):
        return value
    known = [one.name for one in fields(ImageScore)]
    if not isinstance(value, Mapping) or not {*value} <= {*known}:
        raise ValueError(f"found {value!r}, wanted null or some of {', '.join(known)}")
    return ImageScore(**value)


def misfits(target: Any) -> list[str]:  # noqa: ANN401
    """Return why a target cannot have its image score: it needs one label and one outcome.

    A target without an image score fits. The target must be of pictures (`dimensions: 2`), and the
    outcome binary. Texts are messages for `Target`; an empty list means that it fits.
    """
    kinds = [one.kind for one in target.outcomes]
    if target.image_score is None or (
        target.is_flat and len(target.labels) == 1 and kinds == ["binary"]
    ):
        return []
    return ["image_score: found it, wanted it with pictures, one label and one binary outcome"]
