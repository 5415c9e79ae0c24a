"""What commands about people in tables share: names of another cohort, and what is printed."""

from collections.abc import Sequence

from neurotarget.problems import DataError
from neurotarget.studies.from_tables.written_tables import WrittenTables


def names_of(pairs: Sequence[str]) -> dict[str, str]:
    """Names of columns or terms in the other table, from texts `<here>:<there>`.

    Returns:
        The name there by the name here; a later text replaces an earlier one of the same name.

    Raises:
        DataError: a text has another form.
    """
    names = {}
    for text in pairs:
        here, colon, there = text.partition(":")
        if not (here.strip() and colon):
            raise DataError(f"names: got {text!r}, wanted <column here>:<column there>")
        names[here.strip()] = there.strip()
    return names


def print_written(done: WrittenTables) -> None:
    """Print the headlines and notes of a study, and where its page and tables are."""
    for line in done.headlines:
        print(line)
    for note in done.notes:
        print(f"  note: {note}")
    print(f"\nreport  {done.page}\ntables  {done.tables}")
