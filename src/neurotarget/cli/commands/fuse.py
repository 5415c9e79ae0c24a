"""`neurotarget fuse`: fuse several masks of each case into one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from neurotarget.cli.arguments import PLACE, Positional, read_arguments
from neurotarget.studies.data_sets.fuse_masks import PAIRS, TABLE, Method, fuse_masks


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command.

    Attributes:
        source: the masks of one case, or one folder per rater or program, in which the masks of
            one case have the same name.
        method: `majority` marks what more than half of the masks mark; `simple` and `staple` weigh
            masks by how well they agree.
    """

    source: Annotated[Path, Positional("a folder of masks"), PLACE]
    output: Path
    method: Method = "majority"
    overwrite: bool = False


def run(argv: Sequence[str]) -> int:
    """Write the fused masks and print which were left out; returns 2 if a case was not written.

    Raises:
        DataError: an argument is invalid, no case has two masks, or an output would replace a mask.
    """
    (arguments,) = read_arguments("fuse", argv, Arguments)
    cases = fuse_masks(
        arguments.source,
        arguments.output,
        method=arguments.method,
        overwrite=arguments.overwrite,
    )
    for case in cases:
        for name, reason in case.refused.items():
            print(f"warning: {case.case_id}: {name} is left out: {reason}")
        if case.problem:
            print(f"error: {case.problem}")
    count = sum(not case.problem for case in cases)
    print(f"{count} of {len(cases)} cases are in {arguments.output}")
    print(f"masks      {arguments.output / TABLE}\nagreement  {arguments.output / PAIRS}")
    return 0 if count == len(cases) else 2
