"""`neurotarget relabel`: convert label maps of another atlas to FreeSurfer's numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from neurotarget.cli.arguments import PLACE, Positional, read_arguments
from neurotarget.studies.data_sets.relabel import TABLE, relabel


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command.

    Attributes:
        numbering: name of an atlas, or a table from its numbers to FreeSurfer's structures.
        unknown: treatment of values that the numbering lacks: with `error` the label map is not
            written, with `background` they become 0.
    """

    source: Annotated[Path, Positional("a label map or a folder of them"), PLACE]
    numbering: str
    output: Path
    unknown: Literal["error", "background"] = "error"
    overwrite: bool = False


def run(argv: Sequence[str]) -> int:
    """Write the label maps and print their problems; returns 2 if a map was not written.

    Raises:
        DataError: an argument is invalid, there is no label map, or an output would replace an
            input.
    """
    (arguments,) = read_arguments("relabel", argv, Arguments)
    results = relabel(
        arguments.source,
        arguments.output,
        arguments.numbering,
        unknown_is_background=arguments.unknown == "background",
        overwrite=arguments.overwrite,
    )
    for result in results:
        for note in result.notes:
            print(note)
    count = sum(result.is_written for result in results)
    print(f"{count} of {len(results)} label maps are in {arguments.output}")
    print(f"voxels  {arguments.output / TABLE}")
    return 0 if count == len(results) else 2
