"""Regions: labels that are also studied together, given by a target or by its pairs."""

import re
from collections.abc import Collection, Mapping, Sequence

Members = tuple[str, ...]  # names of labels
Pairs = Sequence[tuple[str, str]]


def sums_of(labels: Sequence[str], pairs: Pairs) -> dict[str, Members]:
    """Return the sums left, right, each pair, and total; a sum with a label's name is left out.

    Left and right exist with several pairs; a pair is named after the common part of its two names
    (`Left-Hippocampus`, `Right-Hippocampus`: `Hippocampus`). Total exists with several labels.

    Args:
        labels: names in class order.
        pairs: (left, right) names of labels.

    Returns:
        Members of each sum by its name.
    """
    sums: dict[str, Members] = {}
    if len(pairs) > 1:
        sums |= dict(zip(("left", "right"), zip(*pairs, strict=True), strict=True))
        sums |= {_common(pair): pair for pair in pairs if _common(pair)}
    if len(labels) > 1:
        sums["total"] = tuple(labels)
    return {name: members for name, members in sums.items() if name not in labels}


def named_members(
    regions: Mapping[str, Sequence[str | int]], labels: Mapping[str, Sequence[int]]
) -> dict[str, Members]:
    """Return the labels of each region in the target's order; members are names or ids of labels.

    A member that is neither name nor id of a label comes last, as text.
    """
    owners = {number: name for name, ids in labels.items() for number in ids}
    result = {}
    for region, members in regions.items():
        names = {owners.get(one, str(one)) for one in members}
        result[region] = tuple(
            [name for name in labels if name in names] + sorted(names - {*labels})
        )
    return result


def faults_of(regions: Mapping[str, Members], labels: Collection[str]) -> list[str]:
    """Return the reasons to refuse regions with members from `named_members`, as texts.

    A region is refused if it has no labels, a member that is no label, the name `total`, or the
    name of a label that it does not consist of.
    """
    strange = sorted({one for members in regions.values() for one in members} - {*labels})
    renamed = [
        name
        for name, members in regions.items()
        if name == "total" or (name in labels and members != (name,))
    ]
    empty = [name for name, members in regions.items() if not members]
    faults = {
        f"regions: found {strange}, which are no labels": strange,
        f"regions: found {renamed}, which are names of other labels or of their sum": renamed,
        f"regions: found {empty} without labels": empty,
    }
    return [text for text, holds in faults.items() if holds]


def _common(pair: tuple[str, str]) -> str:
    """Return the common part of two names without left and right."""
    side = re.compile(r"(?:^|(?<=[._-]))(?:left|right|lh|rh|l|r)(?:$|(?=[._-]))", re.IGNORECASE)
    bare = {re.sub(r"([._-])[._-]+", r"\1", side.sub("", name)).strip("._-") for name in pair}
    if len(bare) == 1:
        return bare.pop()
    first, second = pair
    is_glued = (first[:1].casefold(), second[:1].casefold()) == ("l", "r")  # Lhippo, Rhippo
    return first[1:] if is_glued and first[1:] == second[1:] else ""
