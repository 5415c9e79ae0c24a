"""`neurotarget export run=<run> output=<file>`: write trained networks to one file to share."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from neurotarget.cli.arguments import FILE, read_arguments
from neurotarget.runs.network.network_file import SUFFIX
from neurotarget.runs.sharing.export_runs import export_runs


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command.

    Attributes:
        run: folders of runs; several are exported as one ensemble.
        output: file to write; its suffix sets the format: `.safetensors`, `.onnx` or `.pt2`.
        format: `monai` writes a bundle folder in place of a file.
        name: name of the network; None takes the name of the target.
        card: Markdown file whose sections are added to the model card.
        half: store weights with 16 bits; the card states how much predictions change.
        weights: checkpoint with the best monitored score, or the last one.
        ensemble: average the predictions, or the weights into one network.
    """

    run: tuple[str, ...]
    output: Path
    format: Literal["file", "monai"] = "file"
    name: str | None = None
    card: Annotated[Path, FILE] | None = None
    half: bool = False
    weights: Literal["best", "last"] = "best"
    ensemble: Literal["mean", "soup"] = "mean"
    overwrite: bool = False
    trust: bool = False


def run(argv: Sequence[str]) -> int:
    """Write the file or bundle, print its model card and the command that uses it; returns 0.

    Raises:
        DataError: a run cannot be read, or the file cannot be written.
    """
    (arguments,) = read_arguments("export", argv, Arguments)
    settings = {**vars(arguments)}
    exported = export_runs(kind=settings.pop("format"), **settings)
    print(exported.card)
    if arguments.format == "monai":
        print(f"bundle   {exported.file}\nSHA-256  {exported.sha256} of its network")
        return 0
    size = exported.file.stat().st_size / 1e6
    print(f"file     {exported.file}, {size:.1f} MB\nSHA-256  {exported.sha256} of its content")
    if exported.file.suffix == SUFFIX:
        print(f"use      neurotarget predict run={exported.file} input=<scans> output=<folder>")
    return 0
