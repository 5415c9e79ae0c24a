"""`neurotarget models`: table of the models in conf/model with their cost for a target."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from neurotarget.cli.arguments import read_arguments
from neurotarget.cli.configs.model_costs import ANY_TARGET, Line, list_models, write_table
from neurotarget.cli.configs.targets import load_target
from neurotarget.cli.settings import Kind, integer
from neurotarget.files.ownership import claim_file
from neurotarget.number_text import DASH, number
from neurotarget.report.text.numbers import aligned

PATCH = Kind(
    "three sides in voxels such as patch=48,64,48",
    lambda sides: len(sides) == 3 and all(0 < side <= 4096 for side in sides),
)
HEAD = (
    "model",
    "parameters",
    "stride",
    "patch",
    "deep",
    "optimizer",
    "rate",
    "GFLOPs",
    "in training",
    "MiB",
    "in training",
    "what",
)
NOTE = """
deep: the loss in training includes coarser levels. GFLOPs and MiB are those of one batch of
patches: of a prediction, and of a step of training, forward and backward. Memory includes the
weights, their average, the state of the optimizer, and results alive at one time, in 32 bits; the
memory of the program and of libraries is not included."""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command.

    Attributes:
        model: names in `conf/model`; empty takes all models outside its sub-folders.
        target: target with contrasts, labels and patch; None takes one contrast and one label.
        batch: number of patches in one step; operations and memory grow with it.
        patch: sides in voxels; None fits the patch of the target to each model.
        tsv: file that gets the same table with all digits.
    """

    model: tuple[str, ...] = ()
    target: str | None = None
    batch: Annotated[int, integer(1, 65_536)] = 2
    patch: Annotated[tuple[int, ...], PATCH] | None = None
    tsv: Path | None = None
    overwrite: bool = False
    trust: bool = False


def run(argv: Sequence[str]) -> int:
    """Print the table, and write it to the file of `tsv=<path>`.

    Raises:
        DataError: an argument has an invalid value, or the file cannot be written.
    """
    (arguments,) = read_arguments("models", argv, Arguments)
    if arguments.tsv:
        claim_file(arguments.tsv, key="tsv", overwrite=arguments.overwrite)
    target = (
        load_target(arguments.target, trust=arguments.trust) if arguments.target else ANY_TARGET
    )
    lines = list_models(
        target, batch=arguments.batch, patch_vox=arguments.patch, names=arguments.model
    )
    print(
        f"{f'target {arguments.target}' if arguments.target else 'no target'}: "
        f"{len(target.channels)} contrast(s), {target.num_labels} labels with background, "
        f"batches of {arguments.batch}\n"
    )
    print(aligned([list(HEAD), *map(_cells, lines)]))
    print(NOTE)
    if arguments.tsv:
        write_table(lines, arguments.tsv)
        print(f"\ntable  {arguments.tsv}")
    return 0


def _cells(line: Line) -> list[str]:
    if line.reason:
        return [line.model, *[DASH] * (len(HEAD) - 2), line.reason]
    return [
        line.model,
        f"{line.parameters:,}",
        line.stride,
        line.patch_vox,
        "yes" if line.deep_supervision else "no",
        line.optimizer,
        DASH if line.learning_rate is None else f"{line.learning_rate:g}",
        number(line.gflops_predict),
        number(line.gflops_train),
        number(line.memory_predict_mib, 0),
        number(line.memory_train_mib, 0),
        line.what,
    ]
