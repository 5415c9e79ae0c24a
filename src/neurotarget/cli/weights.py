"""`neurotarget weights`: trained networks that come with the package, and model cards."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from neurotarget.cli.arguments import Positional, read_arguments
from neurotarget.printable import one_line
from neurotarget.report.text.numbers import aligned
from neurotarget.runs.network.network_file import read_card
from neurotarget.runs.network.requested_networks import file_of
from neurotarget.runs.network.shipped import shipped


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Arguments of the command."""

    network: Annotated[str, Positional("a name or an exported file")] | None = None


def run(argv: Sequence[str]) -> int:
    """Print a table of the networks that ship, or the model card of one; returns 0.

    Raises:
        DataError: there is no such network.
    """
    (arguments,) = read_arguments("weights", argv, Arguments)
    if arguments.network is not None:
        print(read_card(file_of(arguments.network)))
        return 0
    table = [["network", "MB", "what"]]
    for name, path in shipped().items():
        table.append([name, f"{path.stat().st_size / 1e6:.1f}", _first_sentence(read_card(path))])
    if len(table) == 1:
        print("No trained networks come with this version.")
        return 0
    print(aligned(table))
    print(
        "\nneurotarget weights <network>: its model card"
        "\nneurotarget predict run=<network> input=<scans> output=<folder>: use it"
    )
    return 0


def _first_sentence(card: str) -> str:
    """The first line of a card that is neither empty nor a heading."""
    lines = (line.strip() for line in card.splitlines())
    return one_line(next((line for line in lines if line and not line.startswith("#")), ""))
