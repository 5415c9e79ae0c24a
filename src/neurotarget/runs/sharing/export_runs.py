"""Export of a finished run, or of several as an ensemble, into one file for other people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

from torch import Tensor

from neurotarget.files.ownership import claim_file
from neurotarget.files.reading import read_bytes
from neurotarget.inference.case_predictor import CasePredictor
from neurotarget.problems import DataError
from neurotarget.runs.folder.run_folder import read_config
from neurotarget.runs.network.exported_networks import LOCALISER, kept_config, prefixed
from neurotarget.runs.network.network_file import SUFFIX, write_network_file
from neurotarget.runs.network.objects import build, build_foreign
from neurotarget.runs.network.requested_networks import places_of
from neurotarget.runs.network.run_ensemble import MODES, load_ensemble
from neurotarget.runs.sharing.half_precision import halved, measured_change
from neurotarget.runs.sharing.model_card import Facts, model_card
from neurotarget.runs.sharing.monai_bundle import write_bundle
from neurotarget.runs.sharing.traced_files import ONNX, PROGRAM, write_traced

FILE, MONAI = "file", "monai"
MOST_CARD = 1 << 18  # bytes of a text by the author


class Exported(NamedTuple):
    """An exported file, its model card, and the hash of its content."""

    file: Path  # of a bundle its folder
    card: str
    sha256: str  # of a bundle that of its network


class Parts(NamedTuple):
    """Content of an exported file besides its model card.

    Attributes:
        document: plain values, see `exported_networks`.
        tensors: weights by name.
    """

    document: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


def export_runs(
    run: Path | str | Sequence[Path | str],
    output: Path | str,
    *,
    kind: Literal["file", "monai"] = "file",
    name: str | None = None,
    card: Path | str | None = None,
    half: bool = False,
    weights: str = "best",
    ensemble: str = "mean",
    overwrite: bool = False,
    trust: bool = False,
) -> Exported:
    """Write a run, or several as an ensemble, into one file.

    `predict` takes .safetensors as a run. Other programs run .onnx, and PyTorch alone .pt2; these
    hold the networks only, from a prepared window to its probabilities. A MONAI bundle is a folder
    with the network as TorchScript, and with MONAI's transforms from scans to label maps.

    Args:
        run: a run folder, a folder of several, or a list of these.
        output: the file, whose name ends in .safetensors, .onnx or .pt2; or the folder of a bundle.
        kind: `file`, or `monai` for a bundle.
        name: what the networks are called; None: the name of the target.
        card: Markdown of the author for the model card: its sections (`## Licences` and others)
            join those that are made from the run.
        half: whether weights are stored with 16 bits, in .safetensors.
        weights: `best` or `last`.
        ensemble: `mean` of probabilities, or `soup` (mean of weights).
        overwrite: whether a file that neurotarget did not write may be replaced.
        trust: whether a run's configuration may name code other than neurotarget's.

    Raises:
        DataError: a run cannot be read, the runs do not fit together, or the file cannot be
            written.
    """
    output, make = Path(output), build if trust else build_foreign
    _check_form(output, half=half, is_bundle=kind == MONAI)
    if ensemble not in MODES:
        raise DataError(f"ensemble: found {ensemble}, wanted {' or '.join(MODES)}")
    author = "" if card is None else _author_text(Path(card))
    folders = _folders(run, weights)
    settings = {"mode": ensemble, "weights": weights, "device": "cpu", "make": make}
    predictor, _ = load_ensemble(folders, **settings)
    name = name or predictor.target.name
    if kind == MONAI:
        text = model_card(Facts(name, predictor, tuple(folders), weights, ""), author)
        whole = {"name": name, "card": text, "overwrite": overwrite}
        return Exported(output, *write_bundle(output, predictor, folders, **whole))
    claim_file(output, key="output", overwrite=overwrite)
    parts = _parts(predictor, folders, name)
    change = ""
    if half:
        parts = parts._replace(tensors=halved(parts.tensors))
        change = measured_change(predictor, parts.document, parts.tensors, folders, make=make)
    facts = Facts(str(parts.document["name"]), predictor, tuple(folders), weights, change)
    text = model_card(facts, author)
    if output.suffix != SUFFIX:
        document = json.dumps(parts.document)
        traced = write_traced(output, predictor, folders, document=document, card=text)
        return Exported(output, *traced)
    sha256 = write_network_file(output, parts.document, text, parts.tensors)
    return Exported(output, text, sha256)


def _check_form(output: Path, *, half: bool, is_bundle: bool) -> None:
    """Refuse a file of an unknown form.

    Raises:
        DataError: the name has another suffix, or `half` is set for a form that has none.
    """
    if is_bundle and half:
        raise DataError("half: found true for a bundle, wanted false; leave half out")
    if is_bundle:
        return
    known = (SUFFIX, ONNX, PROGRAM)
    if output.suffix not in known:
        raise DataError(
            f"output: found {output}, wanted a name that ends in {SUFFIX}; add it "
            f"(or {ONNX}, {PROGRAM})"
        )
    if half and output.suffix != SUFFIX:
        raise DataError(f"half: found true for {output}, wanted {SUFFIX}; leave half out")


def _folders(run: Path | str | Sequence[Path | str], weights: str) -> list[Path]:
    """Run folders that are requested.

    Raises:
        DataError: there are none, or one is a file that was exported before.
    """
    is_list = isinstance(run, Sequence) and not isinstance(run, str)
    folders = [path for one in (run if is_list else [run]) for path in places_of(str(one), weights)]
    if not folders:
        raise DataError("run: found an empty list, wanted run folders; set run='[a,b]'")
    if file := next((path for path in folders if path.is_file()), None):
        raise DataError(f"run: found the file {file}, wanted run folders; export its runs again")
    return folders


def _parts(predictor: CasePredictor, folders: Sequence[Path], name: str) -> Parts:
    """Plain values and weights of a predictor and its members, which are those of the folders."""
    members = getattr(predictor, "members", (predictor,))
    tensors: dict[str, Tensor] = {}
    listed = []
    for number, (member, folder) in enumerate(zip(members, folders, strict=False)):
        tensors |= prefixed(number, member.net.state_dict())
        listed.append({"config": kept_config(read_config(folder)), "steps": member.plain_steps})
    document = {
        "neurotarget": version("neurotarget"),
        "name": name,
        "members": listed,
        LOCALISER: None,
    }
    if (first := getattr(predictor, LOCALISER, None)) is not None:
        config = kept_config(read_config(folders[0] / LOCALISER))
        document[LOCALISER] = {"config": config, "limits": asdict(first.limits)}
        tensors |= prefixed(LOCALISER, first.predictor.net.state_dict())
    return Parts(document, tensors)


def _author_text(path: Path) -> str:
    """Text of a Markdown file.

    Raises:
        DataError: it cannot be read, is too large, or no text.
    """
    try:
        return read_bytes(path, MOST_CARD).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text in UTF-8"
        raise DataError(f"card: {path} cannot be read ({reason}); give a Markdown file") from error
