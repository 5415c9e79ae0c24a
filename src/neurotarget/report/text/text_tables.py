"""The tables of a summary as text; square brackets hold 95 % intervals.

They are the part of a report that the terminal shows after a run.
"""

from collections.abc import Mapping, Sequence

from neurotarget.number_text import DASH, interval, number, unit_text
from neurotarget.quantity import SIZES, contrast_of, one_of
from neurotarget.report.text.numbers import aligned, counted, estimate, mean_sd, p_value
from neurotarget.report.text.sentences import capital
from neurotarget.stats.cohort.measured import Quantity
from neurotarget.stats.cohort.subjects import CHANGE
from neurotarget.stats.tables.tables import ALL_SCORES


def scores_table(summary: Mapping, labels: Sequence[str]) -> str:
    """Format Dice, HD95 with median and quartiles, ASSD, surface Dice and own scores by label.

    Args:
        summary: content of summary.json, with `scores`.
        labels: to show, in this order; the number of further labels is stated below the table.
    """
    own = [metric for metric in summary["scores"] if metric not in ALL_SCORES]
    length = "px" if "hd95_px" in summary["scores"] else "mm"
    tolerance = f"surface Dice at {summary[f'surface_tolerance_{length}']:g} {length}"
    distances = [f"HD95 {length}", "median", f"ASSD {length}"]
    heads = ["Masks, mean ± SD", "n", "Dice", "", *distances, tolerance, *own]
    table, lost = [heads], 0
    for label in labels:
        scores = {metric: by_label[label] for metric, by_label in summary["scores"].items()}
        dice, distance = scores["dice"], scores[f"hd95_{length}"]
        lost += distance["n_nan"] or 0
        table.append(
            [
                label,
                str(dice["n"]),
                _mean_sd(dice, 3),
                interval(dice["low"], dice["high"], 3),
                _mean_sd(distance, 2),
                f"{number(distance['median'], 2)} ({_quartiles(distance)})",
                _mean_sd(scores[f"assd_{length}"], 2),
                _mean_sd(scores["surface_dice"], 3),
                *(_mean_sd(scores[metric], 3) for metric in own),
            ]
        )
    text = aligned(table)
    if lost:
        text += "\n(a lost mask has no surface: undefined distances are in no mean or median)"
    if len(summary["dice"]) > len(labels):
        text += f"\n({len(summary['dice']) - len(labels)} labels of higher Dice: see summary.json)"
    return text


def values_table(summary: Mapping, labels: Sequence[str]) -> str:
    """Format means of the main quantity, bias with limits of agreement, and errors by label.

    The error is the mean absolute one, in % of the reference for volumes and areas.

    `summary` is the content of summary.json, and `labels` are lines in this order.
    """
    main = quantity_of(summary)
    unit, column = f" {unit_text(main.unit)}".rstrip(), main.column
    heads = [capital(main.plural), "n", f"reference{unit}", f"predicted{unit}", f"bias{unit}"]
    table = [[*heads, "95 % limits", "error"]]
    for label in labels:
        own = summary[main.name][label]
        limits = (own[column("lower_limit")], own[column("upper_limit")])
        missing = f" ({own['n_nan']} missing)" if own["n_nan"] else ""
        error = f"{number(own[column('error_abs')])}{unit}"
        if main.name in SIZES:
            error = f"{number(own['error_abs_percent'], 1)} %"
        table.append(
            [
                label,
                f"{own['n']}{missing}",
                *(_size(own[column(f"{of}_mean")], own[column(f"{of}_sd")])
                  for of in ("reference", "predicted")),
                estimate(own, column("bias"), stem=column("bias"), sign=True),
                " to ".join(number(limit, sign=True) for limit in limits),
                error,
            ]
        )  # fmt: skip
    return aligned(table)


def agreement_table(summary: Mapping, labels: Sequence[str]) -> str:
    """Format correlations, ICC and slope of predicted on reference values, one line per label."""
    names = {"pearson_r": "Pearson r", "spearman_rho": "Spearman rho", "icc_a1": "ICC(A,1)"}
    names |= {"reference_slope": "slope on reference"}
    main = quantity_of(summary)
    table = [[f"Agreement of {main.plural}", *names.values()]]
    for label in labels:
        own = summary[main.name][label]
        table.append([label, *(estimate(own, key, stem=key, digits=3) for key in names)])
    return aligned(table)


def quantity_of(summary: Mapping) -> Quantity:
    """Return the main quantity of a summary, without values; volumes in mm³ in older ones."""
    return Quantity(summary.get("quantity") or "volume", summary.get("unit", "mm3"), {})


def parts_table(parts: Mapping, labels: Sequence[str]) -> str:
    """Format Dice, ICC and r of each label by part, each followed by published values.

    `parts` is that of summary.json; columns without any value are left out.
    """
    names = {"dice": "Dice", "icc_a1": "ICC(A,1)", "pearson_r": "Pearson r"}
    head = ["Internal and external", "n", "failed"]
    table = [[*head, *(one for name in names.values() for one in (name, "", "published"))]]
    for label in labels:
        for part, statistics in parts.items():
            if label not in statistics.get("dice", {}):
                continue
            dice = statistics["dice"][label]
            line = [f"{label}, {part}", str(dice["n"]), str(dice["n_failed"])]
            for key in names:
                own = statistics[key].get(label, {}) if key in statistics else {}
                value = mean_sd(own.get("value"), own.get("sd"), 3)
                line += [value, interval(own.get("low"), own.get("high"), 3), _published(own)]
            table.append(line)
    filled = [column for column in zip(*table, strict=True) if any(column[1:])]
    note = "\n(published values are of other scans, raters and networks)"
    has_published = any(column[0] == "published" for column in filled)
    return aligned(list(zip(*filled, strict=True))) + (note if has_published else "")


def hypotheses_table(summary: Mapping) -> str:
    """Format each hypothesis on both kinds of masks, with planted effects and exclusions.

    A planted effect is recovered if the interval of the predicted one includes it.

    Notes below the table count cases that were left out, and state why an effect is missing.
    """
    whose = "masks" if quantity_of(summary).is_of_masks else "values"
    table = [["Hypotheses", whose, "n", "effect", "", "p", "verdict"]]
    notes = []
    for name, hypothesis in summary["hypotheses"].items():
        for line, which in enumerate(("reference", "predicted")):
            effect = hypothesis[which]
            of = f" of {hypothesis['label']}" if hypothesis["label"] else ""
            first = (f"{name}{of}", f"  {hypothesis['claim']}")[line]
            table.append(_effect_line(first, which, effect))
            notes += _notes(name, which, effect, hypothesis.get("measure") or "volume")
        if hypothesis["planted"] is not None:
            verdict = {True: "recovered", False: "not recovered", None: DASH}
            planted = number(hypothesis["planted"], sign=True)
            unit = unit_text(hypothesis["reference"]["unit"])
            if contrast_of(hypothesis.get("measure") or ""):
                notes.append(f"  {name}: planted in the tissue; a mean in a map shows less of it")
            table.append(["", "planted", "", planted, unit, "", verdict[hypothesis["recovered"]]])
    return "\n".join([aligned(table), *notes])


def _effect_line(first: str, which: str, effect: Mapping) -> list[str]:
    return [
        first,
        which,
        str(effect["n"]),
        estimate(effect, "estimate", sign=True),
        unit_text(effect["unit"]) if effect["estimate"] is not None else "",
        p_value(effect["p"]),
        effect["verdict"],
    ]


def _notes(name: str, which: str, effect: Mapping, measure: str) -> list[str]:
    notes = []
    if effect["n_dropped"]:
        cases = counted(effect["n_dropped"], "case")
        is_steady = CHANGE not in effect["reason"]
        lack = f"without {one_of(measure)} or covariate " if is_steady else ""
        notes.append(f"{cases} {lack}left out")
    notes += [effect[key] for key in ("reason", "remark") if effect.get(key)]
    return [f"  {name}, {which}: {'; '.join(notes)}"] if notes else []


def _published(own: Mapping) -> str:
    return "; ".join(mean_sd(one["value"], one["sd"], 2) for one in own.get("published", []))


def _size(mean: float | None, sd: float | None) -> str:
    digits = 0 if mean is not None and mean >= 100 else 1
    return mean_sd(mean, sd, digits)


def _quartiles(score: Mapping) -> str:
    return " to ".join(number(score[key], 2) for key in ("q1", "q3"))


def _mean_sd(score: Mapping, digits: int) -> str:
    undefined = f" ({score['n_nan']} undefined)" if score["n_nan"] else ""
    return f"{mean_sd(score['mean'], score['sd'], digits)}{undefined}"
