"""Trained networks as ONNX, for other programs, or as a program of torch.export."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from neurotarget.files.hashes import digest
from neurotarget.files.writing import written
from neurotarget.inference.case_predictor import CasePredictor
from neurotarget.problems import DataError
from neurotarget.runs.sharing.window_network import (
    WindowNetwork,
    Windows,
    interface,
    refuse_unlike,
    window_network,
    windows_to_compare,
)

OPSET = 18  # of ONNX; the lowest that PyTorch's exporter writes without conversion
MOST_WINDOWS = 1024  # at a time
ONNX, PROGRAM = ".onnx", ".pt2"
IMAGE, PROBABILITIES = "image", "probabilities"
DOCUMENT, CARD = "neurotarget", "card"  # the texts in a file, as in .safetensors


class Traced(NamedTuple):
    """A written file: its model card, and the hash of its content."""

    card: str
    sha256: str


class _Job(NamedTuple):
    net: WindowNetwork
    shape: tuple[int, ...]  # (C, I, J, K) of a window
    windows: Windows
    document: str


def write_traced(
    output: Path, predictor: CasePredictor, folders: Sequence[Path], *, document: str, card: str
) -> Traced:
    """Write networks that see windows, after comparing them with PyTorch on real windows.

    Args:
        output: file, whose suffix `.onnx` or `.pt2` decides the form.
        predictor: one network or an ensemble.
        folders: of the runs, for windows of a held-out case.
        document: plain values of the file as JSON.
        card: model card in Markdown; document and card are both in the file.

    Raises:
        DataError: these networks cannot be written in this form, a package is missing, or
            probabilities differ.
    """
    net, shape = window_network(predictor, output.suffix)
    job = _Job(net, shape, windows_to_compare(predictor, folders), document)
    card += interface(predictor, shape)
    write = {ONNX: _write_onnx, PROGRAM: _write_program}[output.suffix]
    with written(output) as draft, _quiet():
        card = write(job, card, draft)
    return Traced(card, digest(output))


def _write_onnx(job: _Job, card: str, path: Path) -> str:
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  # which PyTorch's exporter uses
    except ImportError as error:
        raise DataError(
            f"output: {ONNX} needs the package {error.name}, which is not installed; pip install "
            "'neurotarget[onnx]'"
        ) from error
    program = _traced(
        job,
        lambda example: torch.onnx.export(
            job.net,
            (example,),
            dynamo=True,
            input_names=[IMAGE],
            output_names=[PROBABILITIES],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=MOST_WINDOWS)},),
            opset_version=OPSET,
            verbose=False,
        ),
    )
    _forget_sources(program.model)
    program.save(str(path), external_data=False)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {IMAGE: job.windows.image.numpy()})
    card += _compared(job, torch.from_numpy(found), f"onnxruntime {onnxruntime.__version__}")
    card += f"- ONNX opset {OPSET}\n"
    program.model.metadata_props.update({DOCUMENT: job.document, CARD: card})
    program.save(str(path), external_data=False)
    return card


def _write_program(job: _Job, card: str, path: Path) -> str:
    program = _traced(
        job,
        lambda example: torch.export.export(
            job.net, (example,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)
        ),
    )
    with torch.inference_mode():
        found = program.module()(job.windows.image)
    card += _compared(job, found, f"torch.export of PyTorch {torch.__version__}")
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it has paths of this computer
    with path.open("wb") as stream:
        torch.export.save(program, stream, extra_files={DOCUMENT: job.document, CARD: card})
    return card


def _traced(job: _Job, export: Callable[[torch.Tensor], Any]) -> Any:  # noqa: ANN401
    """A program for any number of windows.

    Raises:
        DataError: PyTorch cannot express the network in this form.
    """
    example = torch.zeros(2, *job.shape)
    try:
        return export(example)
    except Exception as error:  # of many kinds, one for each step of the exporter
        reason = " ".join(str(error).split())[:200]
        names = ", ".join(dict.fromkeys(type(net).__name__ for net in job.net.nets))
        raise DataError(
            f"output: {names} cannot be written in this form ({type(error).__name__}: {reason}); "
            "export to .safetensors"
        ) from error


def _compared(job: _Job, found: torch.Tensor, program: str) -> str:
    """Line of the card on the difference from PyTorch."""
    with torch.inference_mode():
        expected = job.net(job.windows.image)
    largest = refuse_unlike(expected, found, program)
    return f"- {program} and PyTorch differ by at most {largest:.1g} on {job.windows.source}\n"


def _forget_sources(model: Any) -> None:  # noqa: ANN401
    """Drop the lines of code from which nodes were made: they have paths of this computer."""
    for graph in (model.graph, *(function.graph for function in model.functions.values())):
        for node in graph.all_nodes():
            node.metadata_props.clear()
            node.doc_string = None
            for value in node.outputs:
                value.metadata_props.clear()
    for value in (*model.graph.inputs, *model.graph.initializers.values()):
        value.metadata_props.clear()
    model.graph.metadata_props.clear()
    model.metadata_props.clear()


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporter's notes on packages and on changes in PyTorch."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
