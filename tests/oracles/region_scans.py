"""Networks of one logit that find voxels by their intensity."""

from torch import nn


class Near(nn.Module):
    """Logit that is positive where the image is within 0.5 of a value, or above it."""

    def __init__(self, value: float, *, is_limit: bool = False) -> None:
        super().__init__()
        self.value, self.is_limit = value, is_limit

    def forward(self, image):
        far = image - self.value
        return 40 * far if self.is_limit else 20 - 40 * far.abs()
