"""Match pretrained weights to a network by name and shape."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from neurotarget.shapes import times

MOST = 5  # most names in a sentence
LEAST = 0.25  # least share of parameters that must fit, to exclude accidental matches
States = Mapping[str, Tensor]


@dataclass(frozen=True)
class Match:
    """Weights that fit a network, and those that do not.

    `fitting` is ready for `load_state_dict(strict=False)`; `other_shape` maps names of the network
    to the shapes (found, wanted); `absent` are names that are only in the network and `unused`
    names that are only in the weights.
    """

    fitting: dict[str, Tensor]
    other_shape: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    absent: tuple[str, ...]
    unused: tuple[str, ...]
    share: float  # of the network's parameters that are loaded, 0 to 1

    @property
    def lines(self) -> list[str]:
        """Sentences that count matching, reshaped, absent and unused weights."""
        percent = math.floor(1000 * self.share) / 10  # 100.0 only if none is missing
        sentences = [f"{len(self.fitting)} tensors match, {percent:.1f} % of the parameters"]
        if self.other_shape:
            shapes = [
                f"{name} (found {times(found)}, wanted {times(wanted)})"
                for name, (found, wanted) in self.other_shape.items()
            ]
            sentences.append(f"{_few(shapes)} of another shape, newly initialised")
        if self.absent:
            sentences.append(f"{_few(self.absent)} not in the file, newly initialised")
        if self.unused:
            sentences.append(f"{_few(self.unused)} in the file only, unused")
        return sentences


def match(weights: States, net: nn.Module) -> Match:
    """Find the network's tensors among `weights`, under any prefix of their names.

    Wrappers add prefixes such as `module.`, `net.` or `_orig_mod.`, and weights of an encoder alone
    lack the encoder's prefix. Of all replacements of one prefix by another, the one with most
    parameters that fit by name and shape is used. Since a `bias` fits in any network, there is no
    match unless a quarter of the parameters (of network or weights, the smaller) fits.
    """
    own = net.state_dict()
    best: dict[str, str] = {}
    for renamed in _renamings(weights, own):
        if _rank(renamed, weights, own) > _rank(best, weights, own):
            best = renamed
    fits = {there: here for there, here in best.items() if _same(weights[there], own[here])}
    if _count_parameters(weights, fits) < LEAST * min(
        _count_parameters(weights), _count_parameters(own)
    ):
        best = fits = {}
    other = {
        here: (tuple(weights[there].shape), tuple(own[here].shape))
        for there, here in best.items()
        if not _same(weights[there], own[here])
    }
    taken = {*fits.values(), *other}
    parameters = dict(net.named_parameters())
    total = sum(one.numel() for one in parameters.values())
    loaded = sum(parameters[here].numel() for here in fits.values() if here in parameters)
    return Match(
        {here: weights[there] for there, here in fits.items()},
        other,
        tuple(name for name in own if name not in taken),
        tuple(name for name in weights if name not in fits and best.get(name) not in other),
        loaded / max(total, 1),
    )


def _renamings(weights: States, own: States) -> list[dict[str, str]]:
    """All replacements of one prefix by another, as {name in weights: name in network}."""
    removed = {""} | {path for name in weights for path in _paths(name)}
    added = {""} | {path for name in own for path in _paths(name)}
    renamings = []
    for old in sorted(removed, key=len):
        bare = {name.removeprefix(old): name for name in weights if name.startswith(old)}
        for new in sorted(added, key=len):
            renamed = {there: new + rest for rest, there in bare.items() if new + rest in own}
            if renamed:
                renamings.append(renamed)
    return renamings


def _paths(name: str) -> list[str]:
    """Leading parts of a dotted name, up to two deep: `a.` and `a.b.`."""
    ends = [place + 1 for place, letter in enumerate(name) if letter == "."][:2]
    return [name[:end] for end in ends]


def _rank(renamed: Mapping[str, str], weights: States, own: States) -> tuple[int, int]:
    """Number of parameters that fit by name and shape, then number of known names."""
    pairs = ((weights[there], own[here]) for there, here in renamed.items())
    return sum(theirs.numel() for theirs, ours in pairs if _same(theirs, ours)), len(renamed)


def _count_parameters(state: States, names: Iterable[str] | None = None) -> int:
    return sum(state[name].numel() for name in (state if names is None else names))


def _same(theirs: Tensor, ours: Tensor) -> bool:
    return theirs.shape == ours.shape


def _few(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return f"{len(names)} tensors ({', '.join(names[:MOST])}{more})"
