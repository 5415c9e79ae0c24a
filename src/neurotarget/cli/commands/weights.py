"""`neurotarget weights`: list the trained networks of this package, or print a model card."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from neurotarget.cli.arguments import Positional, read_arguments
from neurotarget.report.text.numbers import aligned
from neurotarget.runs.network.network_file import read_card
from neurotarget.runs.network.requested_networks import file_of
from neurotarget.runs.network.shipped import shipped_networks


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command."""

    network: Annotated[str, Positional("a name or an exported file")] | None = None


def run(argv: Sequence[str]) -> int:
    """Print a table of the networks of this package, or the model card of one network; returns 0.

    Raises:
        DataError: there is no such network.
    """
    (arguments,) = read_arguments("weights", argv, Arguments)
    if arguments.network is not None:
        print(read_card(file_of(arguments.network)))
        return 0
    table = [["network", "MB", "what"]]
    table += [[one.network, f"{one.megabytes:.1f}", one.what] for one in shipped_networks()]
    if len(table) == 1:
        print("No trained networks come with this version.")
        return 0
    print(aligned(table))
    print(
        "\nneurotarget weights <network>: its model card"
        "\nneurotarget predict run=<network> input=<scans> output=<folder>: use it"
    )
    return 0
