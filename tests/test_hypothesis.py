import pytest

from neurotarget.hypothesis import Hypothesis


def test_a_hypothesis_with_a_published_effect_is_a_mapping():
    value = {"claim": "volume[a]: F > M", "expected": 46, "source": "Chen 2017"}
    found = Hypothesis.read("sex", value)
    assert (found.label, found.groups, found.sign) == ("a", ("F", "M"), 1)
    assert (found.expected, found.source) == (46.0, "Chen 2017")
    assert isinstance(found.expected, float)


@pytest.mark.parametrize("value", ["volume: F > M", {"claim": "volume: F > M"}])
def test_a_claim_alone_expects_no_number(value):
    found = Hypothesis.read("sex", value)
    assert found == Hypothesis.parse("sex", "volume: F > M")
    assert (found.expected, found.source) == (None, "")


@pytest.mark.parametrize("value", [{"expected": 46}, {"claim": "volume: F > M", "exepcted": 46}])
def test_a_mapping_with_other_keys_is_refused(value):
    with pytest.raises(ValueError, match=r"hypothesis sex: got the keys .*, wanted claim and"):
        Hypothesis.read("sex", value)


def test_a_published_effect_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="could not convert"):
        Hypothesis.read("sex", {"claim": "volume: F > M", "expected": "large"})


@pytest.mark.parametrize(
    ("text", "covariate", "adjust", "variables"),
    [
        ("volume: F > M", "sex", (), ("sex",)),
        ("volume: patient < control", "group", (), ("group",)),
        ("volume ~ age + sex: negative", "age", ("sex",), ("age", "sex")),
        ("volume ~ age*sex: any", "age*sex", (), ("age", "sex")),
        ("volume ~ age * sex + tiv: any", "age*sex", ("tiv",), ("age", "sex", "tiv")),
        ("volume ~ sex + spline(age): F > M", "sex", ("spline(age)",), ("sex", "age")),
        ("volume ~ tiv + age*sex + age: any", "tiv", ("age*sex", "age"), ("tiv", "age", "sex")),
    ],
)
def test_terms_are_read_and_name_the_columns_they_need(text, covariate, adjust, variables):
    found = Hypothesis.parse("h", text)
    assert (found.covariate, found.adjust, found.variables) == (covariate, adjust, variables)


@pytest.mark.parametrize(
    "text",
    [
        "volume ~ spline(age): any",  # a curve is not one number
        "volume ~ age*sex: F > M",  # an interaction is no group difference
        "volume ~ age*sex*tiv: any",
        "volume ~ spline(age*sex) + sex: any",
        "volume ~ age",
        "volume: negative",
        "mean volume: F > M",
        "",
    ],
)
def test_what_no_form_holds_is_refused_with_the_forms(text):
    with pytest.raises(ValueError, match=r"hypothesis h: got .*, wanted one of 'volume: F > M'"):
        Hypothesis.parse("h", text)


def test_a_claim_about_a_mean_names_its_contrast():
    found = Hypothesis.parse("chi", "mean_qsm[l] ~ group: friedreich > control")
    assert (found.measure, found.contrast, found.label) == ("mean_qsm", "qsm", "l")
    assert Hypothesis.parse("v", "volume: F > M").contrast == ""
