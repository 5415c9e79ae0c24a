"""Convert the settings of a target for `types.Target`: ids in place of label names.

A name is looked up in the table of the target's `label_table`, else in the tables next to the data
(`label_tables`), else in FreeSurfer's table, which `types.Target` reads itself. Where a table next
to the data numbers structures differently from FreeSurfer, a name that this table lacks is an
error, since FreeSurfer's number would mean another structure in it. `background: rest` is
`background_ids: others`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurotarget.anatomy.numberings import ITSELF, PACKAGED, numbering
from neurotarget.anatomy.structures import find, is_known, pairs_of
from neurotarget.data.tables.label_tables import (
    Ids,
    Names,
    ids_named,
    is_freesurfers,
    label_tables,
    read_label_table,
)
from neurotarget.fields import is_list
from neurotarget.files.writing import expand_home
from neurotarget.problems import DataError, nearest, some
from neurotarget.target_fields import OTHERS, REST

FIELDS = ("background_ids", "ignore_ids")  # settings that may also hold names of labels
TABLE, BACKGROUND = "label_table", "background"  # settings that only this module reads
REST_WORDS = (REST, OTHERS)


def target_settings(settings: Any, source: Path | str | None) -> Any:  # noqa: ANN401
    """Settings of a target with ids in place of names that a table of labels has.

    Names that are left are structures and groups of FreeSurfer's table, which `types.Target` reads.

    Args:
        settings: plain values, as of a file in `conf/target/`; anything else is returned unchanged.
        source: the manifest or data set; None if there is none.

    Raises:
        DataError: names are in no table, or tables differ about them; all of them in one error.
    """
    if not isinstance(settings, Mapping):
        return settings
    result = {key: value for key, value in settings.items() if key not in (TABLE, BACKGROUND)}
    if (background := settings.get(BACKGROUND)) is not None:
        if background not in REST_WORDS or settings.get("background_ids"):
            raise DataError(
                f"target {settings.get('name', '')}: background: found {background!r}"
                f"{' and background_ids' if settings.get('background_ids') else ''}, wanted rest, "
                "for all values that are not named, or background_ids: <values>; set one of them"
            )
        result["background_ids"] = OTHERS
    if result.get("background_ids") in REST_WORDS:
        result["background_ids"] = OTHERS
    tables = _tables(settings.get(TABLE), None if source is None else expand_home(source))
    return _Lookup(tables).resolved(result) if tables and _words(result) else result


def _tables(table: object, source: Path | None) -> Mapping[str, Names]:
    """Tables by their name or path: the given one, or those next to the data."""
    if table == ITSELF:
        return {}
    if table in PACKAGED:
        names: dict[str, Ids] = {}
        for number, one in numbering(str(table)).items():
            names[one.name] = (*names.get(one.name, ()), number)
        return {str(table): names}
    if table:
        path = _given(str(table), source)
        return {str(path): read_label_table(path)}
    there = source is not None and source.exists()
    return {str(path): names for path, names in label_tables(source).items()} if there else {}


class _Lookup:
    """Ids of names in some tables; collects the errors about names."""

    def __init__(self, tables: Mapping[str, Names]) -> None:
        self.tables = tables
        # FreeSurfer's numbers hold where no table contradicts them
        self.is_freesurfers = all(map(is_freesurfers, tables.values()))
        self.wrong: list[str] = []

    def resolved(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Settings with ids in place of all names that a table has.

        Raises:
            DataError: a name is in no table, or tables differ about it; all of them in one error.
        """
        result = dict(settings)
        labels = settings.get("labels")
        if is_list(labels):
            result |= self._listed(labels, settings)
        elif isinstance(labels, Mapping):
            result["labels"] = {name: self._numbers(value) for name, value in labels.items()}
        for key in FIELDS:
            if settings.get(key) not in (None, OTHERS):
                result[key] = self._numbers(settings[key])
        if self.wrong:
            raise DataError(list(dict.fromkeys(self.wrong)))
        return result

    def _listed(self, words: Sequence[object], settings: Mapping[str, Any]) -> dict[str, Any]:
        """Labels and pairs of a list of names; empty where FreeSurfer's numbers hold."""
        if self.is_freesurfers or not all(isinstance(word, str) for word in words):
            return {}
        ids = {str(word): self._ids(str(word)) for word in words}
        if not all(ids.values()):
            # groups, and names that the data set's own dseg.tsv or dataset.json maps later
            return {}
        labels = {
            one.name if (one := find(word)) else word.replace(" ", "-"): list(numbers)
            for word, numbers in ids.items()
        }
        pairs = settings.get("pairs") or [list(pair) for pair in pairs_of(list(labels))]
        return {"labels": labels, "pairs": pairs}

    def _numbers(self, value: object) -> object:
        if isinstance(value, str):
            return self._id_list(value)
        if is_list(value):
            return [
                number
                for one in value
                for number in (self._id_list(one) if isinstance(one, str) else [one])
            ]
        return value

    def _id_list(self, word: str) -> list[int | str]:
        """Ids of a name, or the name itself where FreeSurfer's table has to have it."""
        if ids := self._ids(word):
            return list(ids)
        if not (self.is_freesurfers and is_known(word)):
            self.wrong.append(self._unknown(word))
        return [word]

    def _ids(self, word: str) -> Ids:
        known = {
            path: ids for path, names in self.tables.items() if (ids := ids_named(word, names))
        }
        if len({*known.values()}) > 1:
            both = " and ".join(f"{some(ids)} in {path}" for path, ids in known.items())
            self.wrong.append(
                f"labels: found {word} as {both}, wanted one numbering; name the right table, "
                f"label_table: {next(iter(known))}"
            )
        return next(iter(known.values()), ())

    def _unknown(self, word: str) -> str:
        names = [name for table in self.tables.values() for name in table]
        close = nearest(word, names)
        meant = f"did you mean {close}? " if close else ""
        where = ", ".join(map(str, self.tables))
        return (
            f"labels: found {word}, wanted a name of {where}, which has {some(names)}; "
            f"{meant}correct the name, or give another table, label_table: <path>, "
            f"{', '.join(PACKAGED)} or {ITSELF}"
        )


def _words(settings: Mapping[str, Any]) -> list[str]:
    """Names in place of ids in the settings of a target."""
    labels = settings.get("labels")
    values = [*labels.values()] if isinstance(labels, Mapping) else [labels]
    values += [settings.get(key) for key in FIELDS if settings.get(key) != OTHERS]
    many = [one for value in values for one in (value if is_list(value) else [value])]
    return [one for one in many if isinstance(one, str)]


def _given(table: str, source: Path | None) -> Path:
    """Path of a table, from the folder of the data or the working folder."""
    path = expand_home(table)
    folder = None if source is None else source if source.is_dir() else source.parent
    if folder is not None and (folder / path).is_file():
        return folder / path
    return path
