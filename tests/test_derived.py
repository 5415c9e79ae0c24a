import pytest

from neurotarget.derived import MOST_TERMS, derived, sources_of, terms_of


def test_a_difference_has_two_terms_of_opposite_signs():
    assert terms_of("t1ce - t1") == ((1.0, "t1ce"), (-1.0, "t1"))
    assert terms_of("t1ce-t1") == terms_of("t1ce - t1")


def test_terms_have_factors():
    assert terms_of(" -0.5*t1 + 2e-1 * t2.b ") == ((-0.5, "t1"), (0.2, "t2.b"))


@pytest.mark.parametrize(
    "text",
    ["", "t1 *2", "t1 t2", "t1 -", "2", "(t1)", "__import__('os')", "t1 / t2", "t1*t2", "1e"],
)
def test_other_forms_are_refused(text):
    with pytest.raises(ValueError, match="wanted sums and differences of contrasts, with factors"):
        terms_of(text)


def test_a_sum_has_a_limit():
    assert len(terms_of(" + ".join(["t1"] * MOST_TERMS))) == MOST_TERMS
    with pytest.raises(ValueError, match="wanted sums and differences"):
        terms_of(" + ".join(["t1"] * (MOST_TERMS + 1)))


def test_sums_are_read_with_their_sources():
    sums = derived({"subtraction": "t1ce - t1"})
    assert sources_of(sums) == {"t1", "t1ce"}
    assert derived(None) == {}
    with pytest.raises(ValueError, match=r"a: found 3, wanted sums"):
        derived({"a": 3})
    with pytest.raises(ValueError, match=r"found \['t1'\], wanted a mapping"):
        derived(["t1"])
