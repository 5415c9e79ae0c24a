"""The part of a predictor that other programs can run: from a window to its probabilities."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from neurotarget.data.batches.prepare import read_scans, stored, to_work
from neurotarget.data.sides.pairs import as_trained
from neurotarget.inference.case_predictor import CasePredictor
from neurotarget.inference.segment import Predictor
from neurotarget.problems import DataError
from neurotarget.runs.sharing.half_precision import held_out_case
from neurotarget.shapes import Image, Logits

TOLERANCE = 1e-3  # largest difference of a probability between two programs
SEED = 0


class Windows(NamedTuple):
    """Windows on which two programs are compared, and where they come from."""

    image: Tensor  # (B, C, I, J, K)
    source: str


class WindowNetwork(nn.Module):
    """Probabilities of all classes in windows; of an ensemble the mean.

    Args:
        members: predictors of one target; their networks are shared, not copied.
    """

    def __init__(self, members: Sequence[Predictor]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(member.net for member in members)
        self.members = tuple(members)  # for the last step of each, which has no weights

    def forward(self, image: Image) -> Logits:
        """Probabilities (B, L, I, J, K) of windows (B, C, I, J, K); class 0 is background."""
        each = [
            member.to_probabilities(net(image).movedim(1, 0)).movedim(0, 1)
            for net, member in zip(self.nets, self.members, strict=True)
        ]
        return torch.stack(each).mean(dim=0)


def window_network(predictor: CasePredictor, suffix: str) -> tuple[WindowNetwork, tuple[int, ...]]:
    """The network of a predictor, and the shape (C, I, J, K) of its windows.

    The network is in float32 on the CPU.

    Args:
        predictor: one network or an ensemble of segmentations.
        suffix: of the file, for the message.

    Raises:
        DataError: it predicts outcomes, is a cascade, or its members have windows of several sizes.
    """
    members = getattr(predictor, "members", (predictor,))
    found = ""
    if not isinstance(predictor, Predictor):
        found = "a network of outcomes"
    elif predictor.localiser is not None:
        found = "a cascade of two networks"
    elif len({member.inferer.window_vox for member in members}) > 1:
        found = "networks with windows of several sizes"
    if found:
        raise DataError(
            f"output: found {found}, wanted networks that see the same window for a name that ends "
            f"in {suffix}; export to .safetensors"
        )
    shape = (len(predictor.target.channels), *predictor.inferer.window_vox)
    return WindowNetwork(members).float().cpu().eval(), shape


def windows_to_compare(predictor: Predictor, folders: Sequence[Path]) -> Windows:
    """Two windows of the first held-out case that can be read, or of random numbers.

    The windows are from the middle and the end of the working box; a small box is padded with 0.
    """
    sides = predictor.inferer.window_vox
    case = held_out_case(folders, predictor.target)
    if case is not None:
        scans = read_scans(case, predictor.target, predictor.preparation)
        image = stored(to_work(scans, predictor.target).image).astype(np.float32)
        lacking = [max(side - have, 0) for side, have in zip(sides, image.shape[1:], strict=True)]
        image = np.pad(image, [(0, 0), *((0, more) for more in lacking)])
        spare = [have - side for side, have in zip(sides, image.shape[1:], strict=True)]
        starts = ([room // 2 for room in spare], spare)
        cut = [
            image[:, *(slice(a, a + side) for a, side in zip(start, sides, strict=True))]
            for start in starts
        ]
        return Windows(torch.from_numpy(np.stack(cut)), "two windows of a held-out case")
    shape = (2, len(predictor.target.channels), *sides)
    image = torch.randn(shape, generator=torch.Generator().manual_seed(SEED))
    return Windows(image, "two windows of random numbers")


def refuse_unlike(expected: Tensor, found: Tensor, program: str) -> float:
    """Largest difference of a probability.

    Args:
        expected: by PyTorch.
        found: by another program, for the same windows.
        program: its name, for the message.

    Raises:
        DataError: it is above the tolerance, or NaN.
    """
    largest = float((expected - found).abs().max())
    if not largest <= TOLERANCE:
        raise DataError(
            f"output: found probabilities by {program} that differ by {largest:.2g}, wanted at "
            f"most {TOLERANCE:g}; export to .safetensors"
        )
    return largest


def interface(predictor: Predictor, shape: Sequence[int]) -> str:
    """Section of a model card in Markdown: what goes in and out.

    `shape` is (C, I, J, K) of a window.
    """
    target, preparation = as_trained(predictor.target), predictor.preparation
    spacing = " × ".join(f"{side:g}" for side in target.spacing_mm)
    sides = " × ".join(map(str, shape[1:]))
    scale = preparation.intensity
    clip = preparation.clip_percent
    within = f", clipped to the percentiles {clip[0]:g} and {clip[1]:g}" if clip else ""
    labels = ", ".join(
        f"{number} {name} ({target.file_ids[number]} in label maps)"
        for number, name in enumerate(target.label_names, start=1)
    )
    return (
        "\n## Input and output\n"
        f"- `image`: float32 (windows, {shape[0]}, {sides}): {', '.join(target.channels)}; axes "
        f"to the right, front and top, voxels of {spacing} mm; intensities of the whole scan "
        f"scaled by `{scale}`{within}\n"
        f"- `probabilities`: float32, 0 background, {labels}\n"
        "- windows are moved over a scan, and their overlap is averaged; post-processing of "
        "neurotarget is not in this file\n"
    )
