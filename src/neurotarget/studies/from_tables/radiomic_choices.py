"""Settings of a radiomics study from plain values, as commands and configurations have them."""

from neurotarget.problems import DataError
from neurotarget.stats.radiomics.chain import ChainSettings
from neurotarget.stats.radiomics.radiomics_study import RadiomicSettings

CHOICES = (
    *("time", "number", "site", "combat", "by_site", "model", "select", "features", "correlation"),
    *("balance", "folds", "repeats", "permutations", "matters", "seed"),
)


def check_together(*, time: str, number: bool, model: str | None, site: str, by_site: bool) -> None:
    """Refuse arguments that do not go together, such as Cox's model without times.

    Raises:
        DataError: names the argument, and the one that it needs or excludes.
    """
    if model == "cox" and not time:
        raise DataError("model: found cox, wanted time=<column>; it predicts times to an event")
    if time and model not in (None, "cox"):
        raise DataError(f"model: found {model}, wanted cox; times to an event have no classes")
    if time and number:
        raise DataError("number: found true with time=, wanted one of them; leave one out")
    if number and model not in (None, "ridge"):
        raise DataError(f"model: found {model}, wanted ridge; it predicts numbers")
    if model == "ridge" and not number:
        raise DataError("model: found ridge, wanted number=true; it predicts numbers")
    if by_site and not site:
        raise DataError("by_site: found no site, wanted site=<column>; name the column")


def radiomic_settings(
    *,
    time: str,
    number: bool,
    site: str,
    combat: bool,
    by_site: bool,
    model: str | None,
    select: str,
    features: int,
    correlation: float,
    balance: bool,
    folds: int,
    repeats: int,
    permutations: int,
    matters: float,
    seed: int,
) -> RadiomicSettings:
    """Return the settings of a radiomics study from plain values.

    Args:
        time: column of times to an event, "" without one.
        number: whether the outcome is a number.
        site: column of sites, "" without one.
        combat: whether ComBat removes effects of sites; ignored without sites.
        by_site: whether folds leave one site out at a time.
        model: cox predicts times, ridge predicts numbers, all others predict classes; None takes
            cox with a `time`, ridge for a `number`, else logistic.
        select: how features are chosen: univariate, mrmr, lasso or none.
        features: largest number of chosen features.
        correlation: rank correlation above which one of two features is left out.
        balance: whether classes are weighted to equal sums in training.
        folds: of the outer cross-validation.
        repeats: how often folds are drawn.
        permutations: draws of the permutation test; 0 leaves it out.
        matters: smallest difference of AUC or C that matters.
        seed: of folds, models and permutations.
    """
    usual = "cox" if time else "ridge" if number else "logistic"
    chain = ChainSettings(
        model or usual, select, features, correlation, combat and bool(site), balance, seed,
    )  # fmt: skip
    return RadiomicSettings(chain, folds, repeats, permutations, matters, by_site)
