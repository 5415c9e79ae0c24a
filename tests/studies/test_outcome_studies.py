"""Studies of predicted outcomes of whole cases: an age in years, and a probability."""

import html
import re

import numpy as np
import pandas as pd
import pytest

from neurotarget.metrics.outcome_scores import score_outcome
from neurotarget.report.pages.summary import summarise, summary_text
from neurotarget.stats.cohort.measured import from_rows
from neurotarget.studies.study_folder import study_of, write_files
from neurotarget.studies.study_inputs import Material
from neurotarget.types import Case, Row, Target

N = 40
AGE = {"brain_age": {"kind": "number", "unit": "years", "column": "age"}}
DISEASE = {"disease": {"kind": "binary", "classes": ["no", "yes"]}}
SPLIT = "test"


def a_target(outcomes, hypotheses):
    fields = {"outcomes": outcomes, "hypotheses": hypotheses}
    return Target("brain", ["t1"], {}, [1, 1, 1], [8, 8, 8], **fields)


def people():
    rng = np.random.default_rng(0)
    ages = rng.uniform(20, 80, N)
    table = {"subject_id": [f"s{k:02}" for k in range(N)], "age": ages}
    table |= {"sex": ["FM"[k % 2] for k in range(N)], "site": ["AB"[k // 20] for k in range(N)]}
    return pd.DataFrame(table, index=pd.Index([f"c{k:02}" for k in range(N)], name="case_id"))


def material(target, table, predict):
    """Rows as of a run; the third case has no prediction."""
    rows = []
    for place, (case_id, person) in enumerate(table.iterrows()):
        case, outcome = Case(case_id, person["subject_id"], {}), target.outcomes[0]
        code, predicted = predict(place, person)
        found = None if place == 2 else {outcome.name: predicted}
        rows += score_outcome(case, outcome, found, code, split=SPLIT)
    measured = from_rows(pd.DataFrame(rows, columns=list(Row._fields)), target, table)
    return Material(measured, {}, None, None, (), {})


@pytest.fixture(scope="module")
def ages():
    """A network that shrinks ages towards their mean, with an SD of 4 years."""
    rng, claims = np.random.default_rng(1), {"sex": "number[brain_age]: F > M"}
    claims["site"] = {"claim": "number ~ site: A > B", "matters": "5 years"}
    noise = rng.normal(0, 4, N)
    target = a_target(AGE, claims)
    return material(target, people(), lambda k, one: (one["age"], 10 + 0.8 * one["age"] + noise[k]))


@pytest.fixture(scope="module")
def diseases():
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 2, N)
    shares = np.clip(0.25 + 0.5 * codes + rng.normal(0, 0.15, N), 0.01, 0.99)
    target = a_target(DISEASE, {"sex": "probability: F != M"})
    return material(target, people(), lambda k, _: (float(codes[k]), float(shares[k])))


def visible(page):
    """Text that a reader sees, from a page or its figures."""
    bare = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", bare))


def test_a_number_is_measured_by_reference_and_network(ages):
    main = ages.measured.main
    assert (main.name, main.unit, ages.measured.labels) == ("number", "years", ("brain_age",))
    assert ages.measured.methods == ("reference", "predicted")
    assert ages.measured.values["predicted"]["brain_age"].isna().sum() == 1


def test_agreement_effects_and_slopes_of_a_number_are_in_its_unit(ages):
    tables = study_of(ages).tables
    agreement = tables["agreement"].set_index(["stratum", "statistic"]).loc["all"]
    assert agreement.loc["bias", "unit"] == "years"
    assert agreement.loc["bias", "n"] == N - 1
    assert "bias_percent" not in agreement.index  # 0 is a convention
    assert set(tables["effects"]["unit"]) == {"years"}
    assert tables["age"]["unit"].tolist() == ["years/year"] * 2
    assert {"mae_years", "bias_combat_years"} <= set(tables["sites"])
    assert "number" in tables["curves"]
    assert {"brain_age_predicted_years", "brain_age_error_abs"} <= set(tables["cases"])
    assert tables["values"]["unit"].eq("years").all()
    failed = tables["failures"].iloc[0]
    assert (failed["definition"], failed["n"], failed["n_failed"]) == ("no_prediction", N, 1)


def test_a_page_on_years_never_speaks_of_volumes(ages, tmp_path):
    made = write_files(study_of(ages), ages, tmp_path, cases=0)
    source = made.page.read_text(encoding="utf-8")
    texts = [visible(source)]
    texts.append((tmp_path / "study" / "methods.md").read_text(encoding="utf-8"))
    texts.append((tmp_path / "study" / "claim.tsv").read_text(encoding="utf-8"))
    for text in texts:
        assert "mm³" not in text
        assert "mm3" not in text
        assert not re.findall(r"[^.]*\b(?:volumes?|masks?|Dice)\b[^.]*", text)
    page = texts[0]
    assert "Agreement of values" in page
    assert "Values over age" in page
    assert "years" in page
    assert '"heading":"Bias, years"' in source
    figures = {path.stem for path in made.figures}
    assert {"effects", "ages", "scatter", "bland_altman", "failures", "sites"} <= figures
    assert "dice" not in figures


def test_the_summary_of_a_number_has_its_unit(ages):
    summary = summarise(study_of(ages))
    assert (summary["quantity"], summary["unit"]) == ("number", "years")
    assert {"bias_years", "sd_years", "error_abs_years"} <= set(summary["number"]["brain_age"])
    of_masks = re.compile("dice|precision_mean|recall|hd95|assd|surface|scores|n_below_half")
    assert [key for key in summary if of_masks.match(key)] == []
    text = summary_text(summary)
    assert "bias years" in text
    assert "1 case failed (no prediction): c02" in text
    assert not re.search("mm|Dice|olume", text)


def test_a_probability_has_effects_but_no_agreement(diseases, tmp_path):
    study = study_of(diseases)
    assert not {"agreement", "age", "curves", "harmonisation", "assumptions"} & set(study.tables)
    assert study.tables["probabilities"]["method"].unique().tolist() == ["reference", "predicted"]
    assert len(study.tables["effects"]) >= 2
    made = write_files(study, diseases, tmp_path, cases=0)
    assert not {"scatter", "bland_altman", "ages"} & {path.stem for path in made.figures}
    page = visible(made.page.read_text(encoding="utf-8"))
    assert "predicted probabilities" in page
    assert not re.findall(r"[^.]*\b(?:volumes?|masks?|Dice|mm³)\b[^.]*", page)
    assert "held-out case" in summary_text(summarise(study))
