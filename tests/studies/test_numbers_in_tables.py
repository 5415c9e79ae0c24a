"""Studies of columns of numbers that are no sizes, such as features of images."""

import re

import numpy as np
import pandas as pd
import pytest

from neurotarget.cli.main import run

FEATURE = "t1_core_stat_skew"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A feature that is negative in many and rises with age, by two readers' masks."""
    random, n = np.random.default_rng(0), 60
    age = random.uniform(20, 80, n)
    hand = 0.05 * (age - 50) + random.normal(size=n)
    columns = {f"{FEATURE}_hand": hand, f"{FEATURE}_net": hand + 0.2 * random.normal(size=n)}
    path = tmp_path_factory.mktemp("numbers") / "features.tsv"
    made = pd.DataFrame({"case_id": [f"s{one}" for one in range(n)], "age": age} | columns)
    made.to_csv(path, sep="\t", index=False)
    return path


def study(table, *words):
    return run(["study", f"table={table}", "unit=number", f"labels={FEATURE}", *words])


def test_a_feature_has_agreement_and_a_verdict_as_a_volume_has(table, tmp_path):
    out = tmp_path / "out"
    ask = f"ask=number[{FEATURE}] ~ age: positive"
    assert study(table, "methods=hand,net", "reference=hand", ask, f"output={out}") == 0
    effects = pd.read_csv(out / "study" / "effects.tsv", sep="\t")
    assert set(effects["verdict"]) == {"shown"}
    assert effects["estimate"].between(0.03, 0.07).all()
    agreement = pd.read_csv(out / "study" / "agreement.tsv", sep="\t")
    whole = agreement[(agreement["statistic"] == "icc_a1") & (agreement["stratum"] == "all")]
    assert (whole["value"] > 0.9).all()
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "mm³" not in page.split("<body", 1)[1].split("<script", 1)[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["methods=hand,pen"], f"no column {FEATURE}_pen .* wanted the values of {FEATURE}"),
        (["methods=hand", "target=tumour"], "unit: found number with target tumour"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(table, tmp_path, capsys, words, message):
    with pytest.raises(SystemExit, match="2"):
        study(table, *words, f"output={tmp_path / 'out'}")
    assert re.search(message, capsys.readouterr().err)


def test_a_cell_that_is_no_number_is_named(table, tmp_path, capsys):
    made = pd.read_csv(table, sep="\t").astype(object)
    made.loc[3, f"{FEATURE}_hand"] = "high"
    made.to_csv(tmp_path / "features.tsv", sep="\t", index=False)
    with pytest.raises(SystemExit, match="2"):
        study(tmp_path / "features.tsv", "methods=hand,net", f"output={tmp_path / 'out'}")
    assert "s3" in (error := capsys.readouterr().err)
    assert "'high', wanted a number" in error
