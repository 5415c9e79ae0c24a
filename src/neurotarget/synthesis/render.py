"""Images of a batch of label patches: pure functions of tensors, for CPU and GPU."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from neurotarget.data.augmentation.axis_maps import along_axes
from neurotarget.synthesis.deformation import every_voxel, lattice_side

Codes = Integer[Tensor, "I J K"]
LEVELS = (0.5, 99.5)  # percentiles that become 0 and 1, as in the preparation of scans
SAMPLED = 60_000  # voxels from which the percentiles are estimated


class Sample(NamedTuple):
    """Ingredients of one synthetic patch, as plain tensors.

    `region` holds the codes of the part of the map that the patch needs, and `positions` are in
    voxels of it, on the lattice.
    """

    region: Integer[Tensor, "_ _ _"]
    positions: Float[Tensor, "3 _ _ _"]
    mean: Float[Tensor, " codes"]
    spread: Float[Tensor, " codes"]
    mottle: Float[Tensor, " codes"]
    kept: Float[Tensor, " codes"]  # 1 for tissue inside of the skull that is no fluid
    strip_level: float
    face_plane: Tensor | None
    gain: tuple[float, float]  # of the scaled image: factor and offset
    seed: int


def read_codes(sample: Sample, sides: Sequence[int]) -> Codes:
    """Codes at the voxels nearest to the positions of a patch; 0 beyond the region."""
    return codes_at(sample.region, sample.positions, sides)


def codes_at(
    region: Integer[Tensor, "_ _ _"], positions: Float[Tensor, "3 _ _ _"], sides: Sequence[int]
) -> Codes:
    """Codes of a region nearest to positions on the lattice of a patch; 0 beyond the region.

    The result is (I, J, K) with these sides.
    """
    places = every_voxel(positions[None], sides)[0]
    number = torch.zeros(tuple(sides), dtype=torch.int32, device=region.device)
    inside = None
    for place, side in zip(places, region.shape, strict=True):
        voxel = place.round_()
        is_in = (voxel >= 0) & (voxel <= side - 1)
        inside = is_in if inside is None else inside.logical_and_(is_in)
        number.mul_(side).add_(voxel.clamp_(0, side - 1).int())
    codes = region.reshape(-1).index_select(0, number.reshape(-1)).reshape(tuple(sides))
    return codes.mul_(inside)


def draw_image(codes: Codes, sample: Sample) -> Float[Tensor, "I J K"]:
    """Grey values of a patch: mean of each tissue, grain and smooth changes; none is below 0.

    The sample's seed determines them, but CPU and GPU draw different random numbers from it.
    """
    device = codes.device
    generator = torch.Generator(device).manual_seed(sample.seed)
    numbers = codes.reshape(-1).int()
    image = sample.mean.index_select(0, numbers).reshape(codes.shape)
    grain = torch.randn(codes.shape, generator=generator, device=device)
    image.addcmul_(grain, sample.spread.index_select(0, numbers).reshape(codes.shape))
    if bool(sample.mottle.any()):
        lattice = [lattice_side(side) for side in codes.shape]
        coarse = torch.randn(1, 1, *lattice, generator=generator, device=device)
        smooth = every_voxel(coarse, codes.shape)[0, 0]
        image.addcmul_(smooth, sample.mottle.index_select(0, numbers).reshape(codes.shape))
    return image.clamp_(min=0)


def cut_head(image: Float[Tensor, "I J K"], codes: Codes, sample: Sample) -> Tensor:
    """A patch without its skull, or without its face, as the sample asks; else the image itself.

    What is cut off gets the grey value of the outside. Tissue outside of the brain remains where
    enough brain is nearby.
    """
    outside = sample.mean[0]
    if sample.strip_level > 0:
        brain = sample.kept.index_select(0, codes.reshape(-1).int()).reshape(codes.shape)
        near = smoothed(brain)
        image = torch.where(near > sample.strip_level, image, outside)
    if sample.face_plane is not None:
        lines = [
            torch.linspace(-0.5, 0.5, side, device=codes.device) * float(part)
            for side, part in zip(codes.shape, sample.face_plane[:3], strict=True)
        ]
        beyond = lines[0][:, None, None] + lines[1][:, None] + lines[2] > sample.face_plane[3]
        is_head = sample.kept.index_select(0, codes.reshape(-1).int()).reshape(codes.shape) == 0
        image = torch.where(beyond & is_head, outside, image)
    return image


def smoothed(mask: Float[Tensor, "I J K"], width: float = 2.0) -> Float[Tensor, "I J K"]:
    """Blur with a Gaussian of this SD in voxels; beyond the border nothing has a weight."""
    maps = []
    for side in mask.shape:
        line = torch.arange(side, dtype=torch.float32, device=mask.device)
        weights = torch.exp(-0.5 * ((line[:, None] - line) / width) ** 2)
        maps.append((weights / weights.sum(1, keepdim=True))[None])
    return along_axes(mask[None, None], tuple(maps))[0, 0]


def scaled(image: Float[Tensor, "I J K"], gain: tuple[float, float]) -> Tensor:
    """Map the percentiles `LEVELS` to 0 and 1, cut what is beyond, and apply the gain.

    `gain` is a factor and an offset of the scaled image. The percentiles are estimated from a
    sample of at most 120,000 voxels.
    """
    step = max(image.numel() // SAMPLED, 1)
    sample = image.reshape(-1)[::step].sort().values
    low, high = (float(sample[int(len(sample) * level / 100)]) for level in LEVELS)
    factor, offset = gain
    span = max(high - low, 1e-6)
    return image.clamp(low, high).sub_(low).mul_(factor / span).add_(offset)
