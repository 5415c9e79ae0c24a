"""`neurotarget init-target`: a target file from scans and masks."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from neurotarget.cli.arguments import PLACE, Positional, read_arguments
from neurotarget.process.programs import command_for
from neurotarget.studies.data_sets.target_draft import init_target


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command.

    Attributes:
        places: a manifest or data set, or a folder of scans and one of masks.
        labels: names or values of the masks to take; empty takes all.
        name: name of the target; None takes the name of the folder.
        output: path of the target file; None writes `conf/target/<name>.yaml`.
    """

    places: Annotated[
        tuple[Path, ...], Positional("a manifest, a data set, or scans and masks"), PLACE
    ]
    labels: tuple[str, ...] = ()
    name: str | None = None
    output: Path | None = None
    overwrite: bool = False


def run(argv: Sequence[str]) -> int:
    """Write the target file, print it and the next commands; returns 0.

    Raises:
        DataError: an argument is invalid, there is no mask, or the file exists.
    """
    (arguments,) = read_arguments("init-target", argv, Arguments)
    draft = init_target(
        arguments.places,
        name=arguments.name,
        labels=arguments.labels,
        output=arguments.output,
        overwrite=arguments.overwrite,
    )
    print(draft.text)
    data = str(draft.table or arguments.places[0])
    is_found = draft.path.parent == Path("conf") / "target"
    print(f"target   {draft.path}")
    if draft.table:
        print(f"cases    {draft.table}")
    print(f"check    {shlex.join(['neurotarget', 'lint', data, f'target={draft.path}'])}")
    if is_found:
        train = [*command_for("train"), f"target={draft.path.stem}", f"data.root={data}"]
        print(f"then     {shlex.join(train)}")
    else:
        print("then     move it to conf/target/ for target=<name>")
    return 0
