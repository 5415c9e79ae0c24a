"""Sidecars of gradient-echo scans: echo times and field strength, by the inheritance of BIDS.

A sidecar applies to the files in its folder and below that have its suffix and its entities.
Sidecars in deeper folders, and sidecars with more entities, take precedence.
"""

import math
from collections.abc import Mapping, Sequence

from neurotarget.data.layouts.bids_files import BidsFile
from neurotarget.data.reading_results import read_json
from neurotarget.maps.gre import field_problems, te_problems
from neurotarget.problems import Problem, error

MHZ_PER_T = 42.577478518  # of protons; CODATA 2018
APART = 0.1  # largest relative difference of frequency and field strength; 3 T scanners have 2.89 T


def read_sidecars(
    files: Sequence[BidsFile], suffixes: Sequence[str]
) -> tuple[list[tuple[BidsFile, dict]], list[Problem]]:
    """Read the sidecars of gradient-echo scans; each broken sidecar gives a problem.

    Args:
        files: all files of the data set.
        suffixes: suffixes of scans, such as MEGRE; sidecars of other suffixes are not read.

    Returns:
        Sidecars with their content in the order in which they apply: from the outermost folder
        inwards, and in a folder from the fewest entities; and the problems. The content of a broken
        sidecar is empty.
    """
    read, problems = [], []
    for file in files:
        is_ours = file.entities.get("suffix") in suffixes
        if is_ours and file.entities.get("extension") == ".json":
            content, wrong = read_json(file.path)
            problems += wrong
            read.append((file, content))
    # from the outermost folder inwards, and in a folder from the fewest entities
    read.sort(key=lambda one: (len(one[0].path.parts), len(one[0].entities)))
    return read, problems


def metadata(file: BidsFile, sidecars: Sequence[tuple[BidsFile, dict]]) -> dict[str, object]:
    """All metadata of a file, merged from the sidecars that apply to it.

    `sidecars` must be in the order of `read_sidecars`, since a later one overwrites an earlier one.
    Empty if none applies.
    """
    merged: dict[str, object] = {}
    for sidecar, content in sidecars:
        fits = sidecar.entities.get("suffix") == file.entities.get("suffix")
        fits = fits and sidecar.free.items() <= file.free.items()
        if fits and sidecar.path.parent in file.path.parents:
            merged |= content
    return merged


def echo_times(
    case_id: str,
    about: Sequence[Sequence[Mapping]],
    kinds: tuple[str, str] = ("magnitude", "phase"),
) -> tuple[tuple[float, ...], list[Problem]]:
    """Echo times in s; the two `kinds` of image must agree on them.

    Args:
        case_id: for messages.
        about: metadata of all echoes of the first kind, then of the second, in the same order.
        kinds: names of the two kinds in messages.

    Returns:
        One time per echo, and the problems. One kind of image that states the time is enough. If a
        time is absent or contradictory, no times are returned.
    """
    te_s = []
    for echo, (magnitude, phase) in enumerate(zip(*about, strict=True), start=1):
        times = [_number(one.get("EchoTime")) for one in (magnitude, phase)]
        known = [value for value in times if value is not None]
        which = f" of echo {echo}" if len(about[0]) > 1 else ""
        if not known:
            todo = "add EchoTime in s to the sidecar of the images"
            found = f"no EchoTime{which}"
            return (), [error(found, "a time in seconds", todo, case_id=case_id)]
        if len({round(value, 7) for value in known}) > 1:
            first, second = kinds
            found = f"EchoTime {known[0]:g} s for {first} and {known[1]:g} s for {second}{which}"
            return (), [error(found, "one time", "correct the sidecars", case_id=case_id)]
        te_s.append(known[0])
    todo = "write EchoTime in seconds into the sidecars (0.004 for 4 ms)"
    return tuple(te_s), te_problems(case_id, te_s, todo)


def field_strength(
    case_id: str, about: Sequence[Mapping], given_t: float | None
) -> tuple[float, list[Problem]]:
    """Field strength in T, from the measured frequency if a sidecar states a frequency.

    Some scanners sold as 3 T have 2.89 T, and susceptibility in ppm depends on the true field.

    Args:
        case_id: for messages.
        about: metadata of every image of the scan.
        given_t: used if no sidecar has MagneticFieldStrength; None if the user gave none.

    Returns:
        The strength and its problems: sidecars that disagree, frequency and strength more than 10 %
        apart, a strength that is absent or out of range. An unknown strength is 0.0.
    """
    nominal = {_number(one.get("MagneticFieldStrength")) for one in about} - {None}
    tuned = {_number(one.get("ImagingFrequency")) for one in about} - {None}
    for name, values, unit in (
        ("MagneticFieldStrength", nominal, "T"),
        ("ImagingFrequency", {round(value, 1) for value in tuned}, "MHz"),
    ):
        if len(values) > 1:
            ordered = sorted(values, key=lambda value: (math.isnan(value), value))
            found = f"{name} of {', '.join(f'{value:g}' for value in ordered)} {unit}"
            wanted, todo = "one of all echoes", "correct the sidecars"
            return 0.0, [error(found, wanted, todo, case_id=case_id)]
    stated = next(iter(nominal), given_t)
    measured = next(iter(tuned)) / MHZ_PER_T if tuned else None
    if stated is None and measured is None:
        todo = "add MagneticFieldStrength in T to the sidecar, or set field_t=3"
        return 0.0, [error("no field strength", "one in T", todo, case_id=case_id)]
    if None not in (stated, measured) and abs(measured - stated) > APART * measured:
        found = f"{stated:g} T but a frequency of {next(iter(tuned)):g} MHz ({measured:.2f} T)"
        return 0.0, [error(found, "numbers that agree", "correct the sidecar", case_id=case_id)]
    field_t = stated if measured is None else round(measured, 4)
    return field_t, field_problems(case_id, field_t)


def _number(value: object) -> float | None:
    """Number of a sidecar; NaN is returned, so that a later check reports it."""
    if value is None or isinstance(value, bool):
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan
