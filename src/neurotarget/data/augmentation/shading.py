"""Bias field, gamma, factors, and contrasts that drop out, for images of any intensity range.

TorchIO's transforms multiply or exponentiate the stored values. Prepared images are centred at 0,
where such transforms would leave mid-grey voxels and change dark and bright voxels in opposite
directions. Here the darkest voxel of the patch counts as zero signal.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torchio as tio
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor
from torchio.transforms.augmentation import RandomTransform
from torchio.transforms.intensity_transform import IntensityTransform

from neurotarget.data.augmentation.warp import DRAWN

Contrast = Float[Tensor, "I J K"]


class BiasField(RandomTransform, IntensityTransform):
    """Multiply the signal by the exponential of a random polynomial, another for each contrast.

    `coefficients` bounds every coefficient of the polynomial of `order` in positions that run
    from −1 to 1; a bound of 0.1 at order 3 gives gains between about 0.7 and 1.4.

    Source: Van Leemput et al. 1999, doi:10.1109/42.811268.
    """

    def __init__(self, coefficients: float = 0.1, order: int = 3, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.coefficients, self.order = coefficients, order

    def apply_transform(self, subject: tio.Subject) -> tio.Subject:
        """Apply a random bias field to every image of the subject.

        The least and greatest gain of each contrast are recorded under `DRAWN`.
        """
        for image in self.get_images(subject):
            contrasts, gains = [], []
            for contrast in image.data.float():
                floor = contrast.min()
                field = self._draw_field(tuple(contrast.shape))
                contrasts.append((contrast - floor) * field + floor)
                gains.append([float(end) for end in field.aminmax()])
            image.set_data(torch.stack(contrasts))
            subject.setdefault(DRAWN, {})["bias_field"] = {"gains": gains}
        return subject

    def _draw_field(self, sides: tuple[int, int, int]) -> Contrast:
        count = self.order + 1
        degrees = torch.arange(count)
        total = degrees[:, None, None] + degrees[None, :, None] + degrees[None, None, :]
        field = (torch.rand(count, count, count) * 2 - 1) * self.coefficients
        field = torch.where(total <= self.order, field, 0.0)
        for side in sides:  # each pass contracts the first axis and appends the voxel axis
            powers = torch.linspace(-1, 1, side)[None, :] ** degrees[:, None]
            field = torch.tensordot(field, powers, dims=([0], [0]))
        return field.exp()


class Gamma(RandomTransform, IntensityTransform):
    """Raise the grey scale, (value − min) / range, to the power e^β, β within ± `log_gamma`.

    Mean and standard deviation of each contrast are kept; half of the draws use the inverted
    grey scale, as in nnU-Net.

    Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.
    """

    def __init__(self, log_gamma: float = 0.3, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.log_gamma = log_gamma

    def apply_transform(self, subject: tio.Subject) -> tio.Subject:
        """Apply a random power to every image of the subject.

        The power of each contrast, and whether its scale was inverted, are noted under `DRAWN`. A
        contrast of one value stays as it is.
        """
        drawn = subject.setdefault(DRAWN, {})["gamma"] = {"gamma": [], "is_inverted": []}
        for image in self.get_images(subject):
            raised = [self._transformed(one, drawn) for one in image.data.float()]
            image.set_data(torch.stack(raised))
        return subject

    def _transformed(self, contrast: Contrast, drawn: dict[str, list]) -> Contrast:
        beta, direction = torch.rand(2).tolist()
        drawn["gamma"].append(math.exp((2 * beta - 1) * self.log_gamma))
        drawn["is_inverted"].append(direction >= 0.5)
        low, high = contrast.aminmax()
        if low == high:
            return contrast
        gamma = torch.tensor((2 * beta - 1) * self.log_gamma).exp()
        unit = (contrast - low) / (high - low)
        raised = unit**gamma if direction < 0.5 else 1 - (1 - unit) ** gamma
        spread = raised.std().clamp(min=torch.finfo(raised.dtype).eps)
        return (raised - raised.mean()) / spread * contrast.std() + contrast.mean()


class ScaleShift(RandomTransform, IntensityTransform):
    """Multiply each contrast by a random factor and add a random constant.

    Normalised scans of two people differ so where one of them has a large bright lesion. Voxels of
    exactly 0 are the background of a stripped brain (`intensity=zscore_brain`), and stay 0. The
    logarithm of the factor is uniform between those of the two ends of `factor`; the constant is
    uniform within ± `shift`, in the unit of the prepared image (SD).

    Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z (brightness and contrast).
    """

    def __init__(
        self, factor: Sequence[float] = (0.75, 1.33), shift: float = 0.3, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        low, high = factor
        if not 0 < low <= high:
            raise ValueError(f"factor: found {low} to {high}, wanted 0 < low <= high")
        self.factor, self.shift = (float(low), float(high)), float(shift)

    def scales(self, values: Float[ndarray, "n numbers"]) -> tuple[ndarray, ndarray]:
        """Compute factors and constants (n, C) from 2 C numbers in [0, 1) per patch."""
        first, second = np.split(np.asarray(values, dtype=np.float32), 2, axis=1)
        low, high = np.log(np.float32(self.factor))
        return np.exp(low + (high - low) * first), (2 * second - 1) * np.float32(self.shift)

    def apply_transform(self, subject: tio.Subject) -> tio.Subject:
        """Rescale every contrast of the subject; factors and constants are noted under `DRAWN`."""
        for image in self.get_images(subject):
            data = image.data.float()
            factor, shift = self.scales(torch.rand(1, 2 * len(data)).numpy())
            shape = (-1, 1, 1, 1)
            changed = data * torch.from_numpy(factor[0]).reshape(shape)
            changed += torch.from_numpy(shift[0]).reshape(shape)
            image.set_data(torch.where(data != 0, changed, data))
            known = {"factor": factor[0].tolist(), "shift": shift[0].tolist()}
            subject.setdefault(DRAWN, {})["scale_shift"] = known
        return subject


class ContrastDropout(RandomTransform, IntensityTransform):
    """Set some contrasts to 0, so that the network learns to do without them; at least one is kept.

    0 is the background of a stripped brain (`intensity=zscore_brain`), and the value with which
    predictions fill a missing contrast. The number of contrasts that drop out is uniform from 1 to
    all but one. `channels` names the contrasts of each channel: a derived channel drops out with
    any of its contrasts.
    """

    def __init__(self, channels: Sequence[Sequence[str]], **kwargs: object) -> None:
        super().__init__(**kwargs)
        names = list(dict.fromkeys(name for one in channels for name in one))
        if len(names) < 2:
            raise ValueError(f"one contrast, {', '.join(names)}, which cannot drop out")
        self.needed = np.array([[name in one for name in names] for one in channels])  # (C, names)

    @property
    def num_numbers(self) -> int:
        """Number of uniform random numbers per draw."""
        return 1 + self.needed.shape[1]

    def dropped(self, values: Float[ndarray, "n numbers"]) -> Bool[ndarray, "n C"]:
        """Select the channels that drop out, from numbers in [0, 1).

        The first number gives how many contrasts drop out, the others select them.
        """
        most = self.needed.shape[1] - 1
        count = 1 + (values[:, :1] * most).astype(int)
        is_gone = values[:, 1:].argsort(axis=1).argsort(axis=1) < count  # (n, names)
        return (is_gone[:, None, :] & self.needed).any(axis=2)

    def apply_transform(self, subject: tio.Subject) -> tio.Subject:
        """Set random channels of the image to 0, and record them under `DRAWN`."""
        gone = self.dropped(torch.rand(1, self.num_numbers).numpy())[0]
        for image in self.get_images(subject):
            data = image.data.clone()
            data[torch.from_numpy(gone)] = 0
            image.set_data(data)
        subject.setdefault(DRAWN, {})["contrast_dropout"] = {"dropped": gone.tolist()}
        return subject
