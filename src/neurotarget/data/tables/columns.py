"""Column names that look alike: they differ in case, blanks, encoding, or look-alike letters."""

import unicodedata
from collections.abc import Iterable, Sequence

# letters of other scripts that look like Latin ones, small or capital; a part of
# https://www.unicode.org/Public/security/latest/confusables.txt
LOOK_ALIKE = str.maketrans(
    "авеһіјкмнорԛѕтухуԁɡαβεηικνορτυχıⅼ",
    "abehijkmhopqstyxydgabehikvoptuxil",
)


def plain_name(name: str) -> str:
    """Normalise a name to its appearance, without case, blanks and look-alikes of other scripts.

    The result serves to compare names, not to show them.
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    seen = (sign for sign in folded if not sign.isspace() and unicodedata.category(sign) != "Cf")
    return "".join(seen).translate(LOOK_ALIKE)


def alike_columns(columns: Sequence[str]) -> list[str]:
    """Messages about columns whose names look the same.

    A name that occurs twice in the same spelling is not among them.
    """
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(columns):
        groups.setdefault(plain_name(name), []).append(name)
    return [
        f"the columns {' and '.join(map(_shown, names))}, which cannot be told apart"
        for names in groups.values()
        if len(names) > 1
    ]


def masked_columns(columns: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Columns that only look like a known name, with that name.

    A column that is spelled as the name, in any case, is not among them.
    """
    plain = {plain_name(name): name for name in known}
    return {
        name: plain[key]
        for name in columns
        if (key := plain_name(name)) in plain and name.casefold() != plain[key].casefold()
    }


def _shown(name: str) -> str:
    """Quoted name with escapes for characters that are not ASCII."""
    codes = name.encode("ascii", "backslashreplace").decode("ascii")
    return f"{name!r}" if codes == name else f"{name!r} ({codes})"
