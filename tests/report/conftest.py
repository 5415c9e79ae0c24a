"""A small study, its tables made by hand: 24 cases, two labels and their total, three sites."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from neurotarget.stats.cohort.measured import Measured, of_volumes, with_regions
from neurotarget.stats.study.analysis import analyse
from neurotarget.stats.study.results import Study
from neurotarget.types import Target
from oracles.rater_cohort import rater_study

ARGUMENTS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
N = 24
ODD = "<script>alert(1)</script> $x$ a&b"
HYPOTHESES = {
    "sex_difference": {"claim": "volume: F > M", "expected": 70, "source": "x"},
    "age_slope": "volume ~ age + sex: negative",
}


def a_target(labels: Sequence[str]) -> Target:
    return Target(
        name="gland",
        contrasts=("t1",),
        labels={name: number for number, name in enumerate(labels, start=1)},
        spacing_mm=(1, 1, 1),
        patch_vox=(8, 8, 8),
        hypotheses=HYPOTHESES,
    )


def a_cohort(methods: Sequence[str], labels: Sequence[str], n: int) -> Measured:
    """Every second case a woman; each method 10 mm³ below the one before; case 5 failed."""
    rng = np.random.default_rng(0)
    case_ids = [ODD, *(f"p{number:02}" for number in range(1, n))]
    covariates = pd.DataFrame(
        {
            "subject_id": case_ids,
            "age": rng.uniform(20, 80, n),
            "sex": ["FM"[number % 2] for number in range(n)],
            "site": ["ABC"[number % 3] for number in range(n)],
        },
        index=pd.Index(case_ids, name="case_id"),
    )
    target = a_target(labels)
    truth = pd.DataFrame(
        {name: 400 + 100 * k + rng.normal(0, 40, n) for k, name in enumerate(labels)},
        index=covariates.index,
    )
    volumes = {}
    for step, method in enumerate(methods):
        table = truth - 10 * step + rng.normal(0, 9, truth.shape) * bool(step)
        if step:
            table.iloc[5] = np.nan
        volumes[method] = with_regions(table, target)
    values = [0.0, 0.3, *rng.uniform(0.8, 0.95, n - 2)]  # two cases are below 0.5
    dice = [
        (case_id, case_id, "test", name, "dice", value, "")
        for name in labels
        for case_id, value in zip(case_ids, values, strict=True)
    ]
    columns = ["case_id", "subject_id", "split", "label", "metric", "value", "unit"]
    scores = pd.DataFrame(dice if len(methods) > 1 else [], columns=columns)
    return Measured(target, of_volumes(volumes), covariates, scores, methods[0])


def agreement(measured: Measured) -> pd.DataFrame:
    values = {
        "icc_a1": (0.9, 0.8, 0.95),
        "pearson_r": (0.93, 0.85, 0.97),
        "bias": (-10, -14, -6),
        "bias_percent": (-2, -3, -1),
        "lower_limit": (-28, -34, -22),
        "upper_limit": (8, 2, 14),
        "proportional_slope": (0.1, -0.1, 0.3),
    }
    rows = [
        {"first": pair[0], "second": pair[1], "label": label, "stratum": "all", "level": "all",
         "statistic": name, "value": value, "low": low, "high": high, "n": N, "reason": ""}
        for pair in measured.pairs for label in measured.labels
        for name, (value, low, high) in values.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def effects(measured: Measured) -> pd.DataFrame:
    rows = []
    for name, claim, unit, three, expected in (
        ("sex_difference", "F > M", "mm3", (75.0, 50.0, 100.0), 70.0),
        ("age_slope", "age: negative", "mm3/year", (-1.0, -2.5, 0.5), np.nan),
    ):
        for method in measured.methods:
            rows.append(
                {"hypothesis": name, "claim": claim, "label": measured.labels[-1],
                 "method": method, "model": "declared", "estimate": three[0], "low": three[1],
                 "high": three[2], "unit": unit, "expected": expected,
                 "verdict": "shown" if three[1] > 0 else "inconclusive", "reason": "",
                 "leads": True, "remark": ""}
            )  # fmt: skip
    return pd.DataFrame(rows)


def by_label(measured: Measured) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Slopes over age, and curves that fall by 1 mm³ a year."""
    slopes, curves = [], []
    for label in measured.labels:
        for method in measured.methods:
            slopes.append({"label": label, "method": method, "slope": -1.0, "low": -2.0,
                           "high": 0.0, "unit": "mm3/year", "n": N, "reason": ""})  # fmt: skip
            curves += [
                {"label": label, "method": method, "sex": sex, "age": age,
                 "volume": 450.0 - age, "low": 440.0 - age, "high": 460.0 - age}
                for sex in "FM" for age in (20.0, 50.0, 80.0)
            ]  # fmt: skip
    return pd.DataFrame(slopes), pd.DataFrame(curves)


def sites(measured: Measured) -> pd.DataFrame:
    rows = [
        {"label": measured.labels[-1], "method": method, "hypothesis": name, "site": site, "n": 8,
         "estimate_within": 70.0, "within_low": 20.0, "within_high": 120.0,
         "estimate_without": 72.0, "without_low": 40.0, "without_high": 105.0, "unit": "mm3",
         "reason": ""}
        for name in HYPOTHESES for method in measured.methods for site in "ABC"
    ]  # fmt: skip
    return pd.DataFrame(rows)


def failures(measured: Measured) -> pd.DataFrame:
    rows = []
    for method in measured.methods:
        rows += [
            {"method": method, "definition": "crash_or_empty", "n": N, "n_failed": 1,
             "rate": 1 / 24, "low": 0.007, "high": 0.202, "reason": ""},
            {"method": method, "definition": "swapped", "n": 0, "n_failed": 0, "rate": np.nan,
             "low": np.nan, "high": np.nan, "reason": "the target has no pairs"},
        ]  # fmt: skip
    return pd.DataFrame(rows)


def volumes(measured: Measured) -> pd.DataFrame:
    rows = [
        {"method": method, "label": label, "stratum": "sex", "level": sex, "mean": 555.0,
         "low": 544.0, "high": 566.0, "reason": ""}
        for method in measured.methods for label in measured.labels for sex in "FM"
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def make_study() -> Callable[..., Study]:
    """A study of these methods and labels; tables that are named in `without` are missing."""

    def make(
        methods: Sequence[str] = ("reference", "predicted"),
        labels: Sequence[str] = ("anterior", "posterior"),
        n: int = N,
        without: Sequence[str] = (),
    ) -> Study:
        measured = a_cohort(methods, labels, n)
        slopes, curves = by_label(measured)
        tables = {
            "agreement": agreement(measured),
            "effects": effects(measured),
            "age": slopes,
            "curves": curves,
            "sites": sites(measured),
            "failures": failures(measured),
            "volumes": volumes(measured),
        }
        return Study(measured, {name: tables[name] for name in tables if name not in without})

    return make


@pytest.fixture(scope="session")
def study(make_study: Callable[..., Study]) -> Study:
    return make_study()


@pytest.fixture(scope="session")
def alone(make_study: Callable[..., Study]) -> Study:
    """Reference masks alone."""
    return make_study(methods=("reference",))


@pytest.fixture(scope="session")
def analysed(make_study: Callable[..., Study]) -> Study:
    """The study as `analyse` computes it, for all tests: they replace tables and change none."""
    return analyse(make_study().measured)


@pytest.fixture(scope="session")
def analysed_alone(make_study: Callable[..., Study]) -> Study:
    """Reference masks alone, as `analyse` computes it."""
    return analyse(make_study(methods=("reference",)).measured)


@pytest.fixture(scope="session")
def analysed_raters() -> Study:
    """A cohort of several raters, as `analyse` computes it."""
    return rater_study()


@pytest.fixture(scope="session")
def with_covariates() -> Callable[..., Study]:
    """The study with other covariates; None takes one away."""

    def change(study: Study, **columns: object) -> Study:
        gone = [name for name, value in columns.items() if value is None]
        kept = {name: value for name, value in columns.items() if value is not None}
        table = study.measured.covariates.drop(columns=gone).assign(**kept)
        return replace(study, measured=replace(study.measured, covariates=table))

    return change


@pytest.fixture(scope="session")
def undefined() -> Callable[[Study], Study]:
    """The study when no statistic could be estimated: NaN everywhere, with a reason."""

    def change(study: Study) -> Study:
        tables = {}
        for name, table in study.tables.items():
            numbers = table.select_dtypes("number").columns.difference(["n", "n_failed", "age"])
            tables[name] = table.assign(**dict.fromkeys(numbers, np.nan), reason="constant volumes")
        return replace(study, tables=tables)

    return change


@pytest.fixture(scope="session")
def texts() -> Callable:
    """All that is written in a figure."""

    def of(figure) -> list[str]:
        found = [text.get_text() for text in figure.findobj(Text)]
        return [text for text in found if text]

    return of


@pytest.fixture(scope="module")  # its event loop would break others
def browser():
    """A Chromium that opens pages as files, with WebGL drawn by the processor."""
    sync_api = pytest.importorskip("playwright.sync_api")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    with sync_api.sync_playwright() as playwright:
        try:
            opened = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        except sync_api.Error as error:
            if path is not None:  # a Chromium that does not start is no reason to pass
                raise
            pytest.skip(f"no Chromium to open pages with: {str(error).splitlines()[0]}")
        yield opened
        opened.close()
