"""Hypotheses about a target, and published values."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from neurotarget.quantity import VOLUME, contrast_of

HYPOTHESIS_FORMS = (
    "'volume: F > M', 'volume[label]: patient < control', 'volume ~ age + sex: negative', "
    "'volume ~ age*sex: any', 'mean_<contrast> ~ age: positive', "
    "'probability[outcome]: patient > control'"
)
PUBLISHED = ("dice", "icc_a1", "icc_c1", "pearson_r", "hd95_mm", "assd_mm", "surface_dice")
WORD = r"[\w.-]+"
SPLINE = re.compile(rf"spline\(({WORD})\)")
MATTERS = re.compile(r"(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*(.*)")
OF_REFERENCE = ("%", "d")  # units of `matters` that refer to the reference
UNIT = re.compile(r"[^\W\d]\S*|", re.UNICODE)
MATTERS_FORMS = "20, '20 mm3', '5 %' of the reference's mean, or '0.3 d' of its SD"


@dataclass(frozen=True, slots=True)
class Published:
    """A published score for this target, for comparison with neurotarget's scores.

    `part` is internal (people of sites in the training) or external (people of other sites).

    Attributes:
        what: name of the score in a study.
        label: label of the target.
        value: value in the unit of the score.
        source: DOI or another citation.
        spread: SD over cases; None if it is not published.
    """

    what: Literal["dice", "icc_a1", "icc_c1", "pearson_r", "hd95_mm", "assd_mm", "surface_dice"]
    label: str
    value: float
    source: str
    part: Literal["internal", "external"] = "internal"
    spread: float | None = None

    def __post_init__(self) -> None:
        if self.what not in PUBLISHED or self.part not in ("internal", "external"):
            raise ValueError(
                f"published: got {self.what!r} of {self.part!r}, wanted one of "
                f"{', '.join(PUBLISHED)} and internal or external"
            )


@dataclass(frozen=True, slots=True)
class Matters:
    """The smallest effect of interest, in either direction.

    `unit` is "" for the unit of the effect (that of its quantity, per unit of the covariate), "%"
    for percent of the reference's mean, or "d" for residual SDs of the reference. For a slope it is
    per unit of the covariate, but "d" is per SD of it. `stated` is the unit of the quantity, if
    the hypothesis states it; `Target` checks it.
    """

    value: float
    unit: Literal["", "%", "d"] = ""
    stated: str = field(default="", compare=False)

    @classmethod
    def read(cls, name: str, value: object) -> "Matters":
        """Parse `20`, `20 mm3`, `2 years`, `5 %` or `0.3 d`.

        Raises:
            ValueError: the value has none of these forms, or is not above 0.
        """
        match = MATTERS.fullmatch(str(value).strip())
        number, unit = (float(match[1]), match[2].strip()) if match else (0.0, "")
        own = "" if unit in OF_REFERENCE else unit.replace("mm³", "mm3").replace("mm²", "mm2")
        if not (match and 0 < number < math.inf and UNIT.fullmatch(own)):
            raise ValueError(
                f"hypothesis {name}: got matters {value!r}, wanted the smallest effect of interest "
                f"above 0: {MATTERS_FORMS}"
            )
        return cls(number, "" if own else unit, own)

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit}".strip()


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A hypothesis about a quantity: a group difference or a slope.

    `measure` is the quantity, one of `Target.quantities`: `volume`, `mean_<contrast>` (the mean of
    a contrast inside the label), or `probability` or `number` of an outcome.

    `label` is "" for the sum of all labels, else a label or a region of the target. A group
    difference has `groups` (A, B) and is the mean of A minus the mean of B; a slope is the change
    per unit of `covariate`. A covariate `a*b` is an interaction: the difference of the slopes.
    `adjust` holds the other terms of the linear model: names, `a*b` and `spline(a)`. `expected` is
    the effect as published by `source`, in the unit of the quantity, for a slope per unit of the
    covariate; `matters` is the smallest effect of interest, by default half of the published
    effect. Without both, no verdict can be "absent".
    """

    name: str
    label: str
    covariate: str
    groups: tuple[str, str] | None
    sign: Literal[-1, 0, 1]  # expected direction; 0 for either
    adjust: tuple[str, ...] = ()
    expected: float | None = None
    source: str = ""
    measure: str = VOLUME
    matters: Matters | None = None

    @property
    def contrast(self) -> str:
        """Contrast whose mean is tested; "" for other quantities."""
        return contrast_of(self.measure)

    @property
    def terms(self) -> tuple[str, ...]:
        """Terms of the linear model, the tested one first; `covariate` "" tests none."""
        return (self.covariate, *self.adjust) if self.covariate else self.adjust

    @property
    def variables(self) -> tuple[str, ...]:
        """Columns of covariates that the model needs, the tested one first."""
        terms = [SPLINE.sub(r"\1", term) for term in self.terms]
        return tuple(dict.fromkeys(name for term in terms for name in term.split("*")))

    @classmethod
    def read(cls, name: str, value: str | Mapping) -> "Hypothesis":
        """Parse a claim, or a mapping with `claim`, `expected`, `source` and `matters`.

        Raises:
            ValueError: the claim has no known form, the mapping has another key, or `expected` has
                the opposite sign of the claim.
        """
        if not isinstance(value, Mapping):
            return cls.parse(name, value)
        wanted = ("claim", "expected", "source", "matters")
        if "claim" not in value or set(value) - set(wanted):
            raise ValueError(
                f"hypothesis {name}: got the keys {', '.join(map(str, value))}, wanted claim and, "
                "where they are known, expected, source and matters"
            )
        parsed, expected = cls.parse(name, value["claim"]), value.get("expected")
        expected = None if expected is None else float(expected)
        if expected is not None and not math.isfinite(expected):
            raise ValueError(f"hypothesis {name}: got expected {expected}, wanted a number")
        if expected is not None and parsed.sign * expected < 0:
            raise ValueError(
                f"hypothesis {name}: got the claim {value['claim']!r} and expected: {expected:g}, "
                "which points the other way; wanted the effect with the sign of the claim (the "
                "first group minus the second, or the slope)"
            )
        matters = value.get("matters")
        return replace(
            parsed,
            expected=expected,
            source=str(value.get("source") or ""),
            matters=None if matters is None else Matters.read(name, matters),
        )

    @classmethod
    def parse(cls, name: str, text: str) -> "Hypothesis":
        """Parse `volume: F > M`, `volume[label] ~ group: A < B` or `volume ~ age + sex: negative`.

        Without `~` the groups F and M belong to `sex` and any others to `group`. The first term
        after `~` is tested, the others are adjusted for: `volume ~ age*sex + tiv: any` tests the
        interaction, `volume ~ sex + spline(age): F > M` models age as a curve.

        Raises:
            ValueError: the text has none of these forms.
        """
        term = rf"(?:spline\({WORD}\)|{WORD}(?:\s*\*\s*{WORD})?)"
        form = (
            rf"({WORD})(?:\[({WORD})\])?\s*(?:~\s*({term}(?:\s*\+\s*{term})*))?"
            r"\s*:\s*(.+)"
        )
        match = re.fullmatch(form, str(text).strip())
        measure, label, terms, claim = match.groups() if match else (VOLUME, "", "", "")
        named = [re.sub(r"\s", "", one) for one in terms.split("+")] if terms else []
        groups = re.fullmatch(rf"({WORD})\s*(>|<|!=)\s*({WORD})", claim.strip())
        signs = {">": 1, "<": -1, "!=": 0, "positive": 1, "negative": -1, "any": 0}
        is_slope = groups is None and claim.strip() in signs and bool(named)
        unfit = SPLINE.fullmatch(named[0]) if named else None
        if unfit or not (is_slope or (groups and not (named and "*" in named[0]))):
            raise ValueError(f"hypothesis {name}: got {text!r}, wanted one of {HYPOTHESIS_FORMS}")
        sides = None if groups is None else (groups[1], groups[3])
        sign = signs[claim.strip() if groups is None else groups[2]]
        default = "sex" if sides and {*sides} == {"F", "M"} else "group"
        covariate = named[0] if named else default
        rest = tuple(named[1:])
        return cls(name, label or "", covariate, sides, sign, rest, measure=measure)
