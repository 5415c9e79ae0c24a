"""Read names of another cohort's columns, and print results, for studies of tables of people."""

from collections.abc import Sequence

from neurotarget.problems import DataError
from neurotarget.studies.from_tables.written_tables import WrittenTables


def names_of(pairs: Sequence[str]) -> dict[str, str]:
    """Read the names of columns or terms in another cohort's table from texts `<here>:<there>`.

    Returns:
        Other cohort's name by this cohort's name; a later text replaces an earlier text of a name.

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
    """Print the headlines and notes of a study, and the paths of its page and tables."""
    for line in done.headlines:
        print(line)
    for note in done.notes:
        print(f"  note: {note}")
    print(f"\nreport  {done.page}\ntables  {done.tables}")
