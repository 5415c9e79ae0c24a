"""Trained networks as a MONAI bundle: a folder that runs with MONAI alone."""

import copy
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import torch
from torch import Tensor, nn

from neurotarget.files.hashes import digest
from neurotarget.files.ownership import claim
from neurotarget.files.writing import write_text, written
from neurotarget.inference.case_predictor import CasePredictor
from neurotarget.inference.segment import Predictor
from neurotarget.models.laid_out_layers import with_plain_layers
from neurotarget.problems import DataError
from neurotarget.runs.sharing.bundle_configs import MODEL, inference, metadata
from neurotarget.runs.sharing.traced_files import Traced
from neurotarget.runs.sharing.window_network import (
    interface,
    refuse_unlike,
    window_network,
    windows_to_compare,
)
from neurotarget.shapes import Image, Logits

LEAST = 1e-12  # of a probability, before its logarithm
USE = """
## Use with MONAI
From this folder, with `pip install monai nibabel`:
```python
from monai.bundle import ConfigParser
from monai.data import decollate_batch

bundle = ConfigParser()
bundle.read_config("configs/inference.json")
bundle["scans"] = [{scan}]
network, inferer, save = map(
    bundle.get_parsed_content, ("network_def", "inferer", "postprocessing")
)
for batch in bundle.get_parsed_content("dataloader"):
    batch["pred"] = inferer(batch["image"], network)
    for case in decollate_batch(batch):
        save(case)  # into predictions/
```
`network_def` gives scores, whose softmax are the probabilities. {remarks}
"""
REMARK = (
    "Scans are resampled and windows blended by MONAI, a little differently from neurotarget, most "
    "at the borders of a scan; neurotarget's post-processing of label maps is not in the bundle."
)
WHOLE = (
    "neurotarget looks at a region of interest only; here the window moves over the whole scan, "
    "so remove what lies far from the target."
)
MIRRORED = "The network averages over the left/right mirror image itself."


class ScoreNetwork(nn.Module):
    """Scores of windows whose softmax are the probabilities of the predictor.

    One network gives its own scores, which are blended between windows as neurotarget does; several
    give the logarithm of the mean of their probabilities. With `swap` the scores are averaged with
    those of the mirror image, in which each class becomes the one that `swap` names.
    """

    def __init__(self, members: Sequence[Predictor], swap: Sequence[int] | None) -> None:
        super().__init__()
        nets = (with_plain_layers(copy.deepcopy(member.net)) for member in members)
        self.nets = nn.ModuleList(nets)
        self.members = tuple(members)
        self.swap = None if swap is None else list(swap)

    @property
    def is_plain(self) -> bool:
        """Return whether the scores are of one network, and their softmax its probabilities."""
        own = type(self.members[0]).to_probabilities
        return len(self.members) == 1 and own is Predictor.to_probabilities

    def forward(self, image: Image) -> Logits:
        """Score windows (B, C, I, J, K); the first class is background."""
        if self.is_plain:
            return self._both_sides(self.nets[0], image)
        each = [
            member.to_probabilities(self._both_sides(net, image).movedim(1, 0)).movedim(0, 1)
            for net, member in zip(self.nets, self.members, strict=True)
        ]
        return torch.stack(each).mean(dim=0).clamp(min=LEAST).log()

    def _both_sides(self, net: nn.Module, image: Tensor) -> Tensor:
        scores = net(image)
        if self.swap is None:
            return scores
        return (scores + net(image.flip(2)).flip(2)[:, self.swap]) / 2


def write_bundle(
    output: Path,
    predictor: CasePredictor,
    folders: Sequence[Path],
    *,
    name: str,
    card: str,
    overwrite: bool,
) -> Traced:
    """Write a bundle into a folder, after comparing its network with PyTorch on real windows.

    Args:
        output: folder of the bundle.
        predictor: one network or an ensemble.
        folders: of the runs, for windows of a held-out case.
        name: of the bundle.
        card: model card, to which use and interface are added.
        overwrite: whether files that neurotarget did not write may be replaced.

    Raises:
        DataError: these networks or their preparation cannot be written in this form,
            probabilities differ, or the folder holds files of another program.
    """
    plain, shape = window_network(predictor, "a bundle")
    members = getattr(predictor, "members", (predictor,))
    if predictor.inferer.margin_vox:
        raise DataError(
            "output: found a network that scores only the middle of its window, wanted one that "
            "scores all of it for a bundle; export to .safetensors"
        )
    configs = {"inference": inference(predictor, shape)}
    configs["metadata"] = metadata(predictor, shape, name=name)
    windows = windows_to_compare(predictor, folders)
    net = ScoreNetwork(members, predictor.inferer.swap).float().cpu().eval()
    claim(output, overwrite=overwrite)
    path = output / MODEL
    with written(path) as draft:
        _write_script(net, shape, json.dumps(configs["metadata"]), draft)
        loaded = torch.jit.load(draft, map_location="cpu")
        with torch.inference_mode():
            found = loaded(windows.image).softmax(dim=1)
            expected = plain(windows.image) if net.swap is None else net(windows.image).softmax(1)
        largest = refuse_unlike(expected, found, "TorchScript")
    card += interface(predictor, shape).replace("`probabilities`", "`scores`")
    card += f"- TorchScript and PyTorch differ by at most {largest:.1g} on {windows.source}\n"
    card += _use(predictor)
    for kind, content in configs.items():
        write_text(output / "configs" / f"{kind}.json", json.dumps(content, indent=2) + "\n")
    write_text(output / "docs" / "README.md", card)
    return Traced(card, digest(path))


def _use(predictor: Predictor) -> str:
    """Section of the card on how the bundle is used."""
    scan = ", ".join(f'"{name}": "<{name}.nii.gz>"' for name in predictor.target.contrasts)
    remarks = [REMARK, *([WHOLE] if predictor.target.roi else [])]
    remarks += [MIRRORED] if predictor.inferer.swap is not None else []
    return USE.replace("{scan}", f"{{{scan}}}").replace("{remarks}", " ".join(remarks))


def _write_script(net: ScoreNetwork, shape: Sequence[int], about: str, path: Path) -> None:
    """Trace a network and save it without the paths of this computer.

    Raises:
        DataError: TorchScript cannot express the network.
    """
    example = torch.zeros(2, *shape)
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on shapes, which are those of all windows
            script = torch.jit.trace(net, example, check_trace=False)
            torch.jit.save(script, path, _extra_files={"metadata.json": about})
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        names = ", ".join(dict.fromkeys(type(one).__name__ for one in net.nets))
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"output: {names} cannot be written in this form ({type(error).__name__}: {reason}); "
            "export to .safetensors"
        ) from error
    _forget_sources(path)


def _forget_sources(path: Path) -> None:
    """Drop the files of an archive that say where the lines of code lay."""
    with ZipFile(path) as archive:
        kept = {
            name: archive.read(name)
            for name in archive.namelist()
            if not name.endswith(".debug_pkl")
        }
    with ZipFile(path, "w", ZIP_STORED) as archive:
        for name, content in kept.items():
            archive.writestr(name, content)
