"""Methods of a radiomics study, as sentences by topic, and as a paragraph for a paper.

Topics are those that METRICS and CLEAR ask for; `radiomics_checklists` assigns them to items.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from neurotarget.image_features.feature_settings import FeatureSettings
from neurotarget.report.radiomics.radiomics_sentences import score_name
from neurotarget.report.text.numbers import counted, listed
from neurotarget.report.text.sentences import capital
from neurotarget.stats.radiomics.radiomic_models import TRIED
from neurotarget.stats.radiomics.radiomics_study import (
    FEW_PER_FEATURE,
    RadiomicsStudy,
    rarer_and_terms,
)

MODELS = {
    "logistic": "logistic regression with a ridge penalty",
    "elastic_net": "logistic regression with an elastic net",
    "svm": "support vectors with a radial kernel and Platt's scaling",
    "forest": "a random forest",
    "boosting": "gradient boosting of trees",
    "ridge": "linear regression with a ridge penalty",
    "cox": "Cox's proportional hazards with a ridge penalty",
}
TUNED = {"boosting": "learning rate"}  # of other models the penalty
SELECTIONS = {
    "univariate": "strength alone (analysis of variance, or the score test of Cox's model)",
    "mrmr": "relevance over redundancy (mRMR)",
    "lasso": "the path of a LASSO",
}
NORMALISED = {
    "zscore": "intensities were scaled by mean and SD of the brain",
    "white_stripe": "intensities were scaled by the white matter (white stripe)",
    "nyul": "histograms were standardised (Nyúl and Udupa)",
    "brain_median": "intensities were divided by the median of the brain outside of the labels",
    "contralateral_median": "intensities were divided by the median of the other side",
    "none": "intensities were not normalised",
}
FAMILY_NAMES = {
    "morph": "morphology", "loc": "local intensity", "stat": "intensity statistics",
    "ih": "histogram", "ivh": "cumulative histogram", "cm": "GLCM", "rlm": "GLRLM",
    "szm": "GLSZM", "dzm": "GLDZM", "ngt": "NGTDM", "ngl": "NGLDM",
}  # fmt: skip
SOFTWARE = ("features were extracted by neurotarget, which gives the reference values of the Image "
            "Biomarker Standardisation Initiative (doi:10.1148/radiol.2020191145)")  # fmt: skip


class Extraction(NamedTuple):
    """How features were measured, where this program measured them.

    `parts` are labels and regions in words of the target, `settings` those of all of them.
    """

    contrasts: Sequence[str]
    parts: Sequence[str]
    settings: FeatureSettings


class Robustness(NamedTuple):
    """Features that are reproducible over all masks: the required ICC, and counts.

    Of `measured` features, `kept` reach the ICC; the masks are those of `cases` cases, each of
    which was measured `times` times.
    """

    least_icc: float
    kept: int
    measured: int
    cases: int
    times: int = 2


def study_sentences(
    study: RadiomicsStudy,
    extraction: Extraction | None = None,
    robust: Robustness | None = None,
    clinical: Sequence[str] = (),
) -> dict[str, str]:
    """Return the methods, one sentence per topic without a full stop; "" if unknown.

    Args:
        study: settings, counts and results.
        extraction: None if the features came from a table of the user, so that nothing is known of
            their images.
        robust: None without second masks.
        clinical: the clinical terms as the user named them.

    Returns:
        Sentences by topic; `PARAGRAPH` lists those of a paper, the checklists use further ones.
    """
    return {
        **_of_images(extraction),
        "robust": _robust(robust),
        **_of_people(study, clinical),
        **_of_models(study),
        **_of_results(study),
    }


def methods_paragraph(sentences: Mapping[str, str]) -> str:
    """Return the sentences on methods as one paragraph, in the order of `PARAGRAPH`."""
    return as_text(sentences, PARAGRAPH)


def as_text(sentences: Mapping[str, str], topics: Sequence[str]) -> str:
    """Return the sentences on these topics, with capitals and full stops; "" without any."""
    return " ".join(f"{capital(sentences[name])}." for name in topics if sentences[name])


PARAGRAPH = (
    *("outcome", "preprocessing", "resampling", "discretisation", "image_types", "software"),
    *("classes", "count", "robust", "clinical", "missing", "partition", "sites", "reduction"),
    *("redundancy", "scaling", "algorithm", "tuning", "imbalance", "metrics", "uncertainty"),
    *("comparison", "calibration", "permutation", "leakage", "external"),
)


def _of_images(extraction: Extraction | None) -> dict[str, str]:
    names = ("preprocessing", "resampling", "discretisation", "image_types", "software", "classes",
             "parameters", "contrasts")  # fmt: skip
    if extraction is None:
        return dict.fromkeys(names, "")
    one = extraction.settings
    sides = " × ".join(f"{side:g}" for side in one.spacing_mm)
    levels = [f"{one.bins} levels between the least and the largest intensity of the region"] if (
        one.bins
    ) else []  # fmt: skip
    levels += [f"levels of a fixed size of {one.bin_size:g}"] if one.bin_size else []
    families = one.families
    texts = (
        _preprocessing(one),
        f"images and masks were resampled to {sides} mm ({one.interpolation})" if sides
        else "images were not resampled",
        f"grey levels for textures: {' and '.join(levels)}" if levels and one.has_levels else "",
        f"images as they are, and filtered by {listed(one.filters)}" if one.filters
        else "only the images themselves were measured, without filters",
        SOFTWARE,
        f"families of features: {listed(FAMILY_NAMES[name] for name in families)}, of "
        f"{listed(extraction.parts)} in {listed(extraction.contrasts)}",
        "all settings of the features are in features/features.json; those that nobody chose have "
        "the defaults that are listed there",
        f"{len(extraction.contrasts)} contrasts" if len(extraction.contrasts) > 1
        else f"one contrast, {extraction.contrasts[0]}",
    )  # fmt: skip
    return dict(zip(names, texts, strict=True))


def _preprocessing(one: FeatureSettings) -> str:
    parts = [NORMALISED[one.normalise]]
    if one.low is not None or one.high is not None:
        bounds = ["−∞" if one.low is None else f"{one.low:g}",
                  "∞" if one.high is None else f"{one.high:g}"]  # fmt: skip
        parts.append(f"only intensities from {bounds[0]} to {bounds[1]} counted")
    if one.outlier_sd is not None:
        parts.append(f"intensities over {one.outlier_sd:g} SD from the mean were left out")
    return ", and ".join(parts)


def _robust(robust: Robustness | None) -> str:
    if robust is None:
        return ""
    masks = "a second mask" if robust.times == 2 else f"{robust.times} masks"
    return (f"features of {masks} of {counted(robust.cases, 'case')} were compared: "
            f"{robust.kept} of {robust.measured} features had an ICC(A,1) of "
            f"{robust.least_icc:g} or more and were kept")  # fmt: skip


def _of_people(study: RadiomicsStudy, clinical: Sequence[str]) -> dict[str, str]:
    outcome, material, settings = study.material.outcome, study.material, study.settings
    people = int(outcome.subject.max()) + 1
    kind = "events" if outcome.is_survival else "positive cases"
    positive = "" if outcome.is_number else f" and {int(outcome.y.sum())} {kind}"
    weighted = ("; classes were weighted to equal sums in training" if settings.chain.balance
                else "; classes were not weighted or resampled")  # fmt: skip
    how = ("one site was left out at a time" if settings.by_site else
           f"people were split into {int(study.fold.max()) + 1} folds, "
           f"{counted(study.fold.shape[0], 'time')}")  # fmt: skip
    return {
        "outcome": f"the outcome was {material.positive_is}" if material.positive_is else "",
        "count": f"{counted(material.image.shape[1], 'image feature')} entered the study",
        "clinical": f"clinical terms were {listed(clinical)}" if clinical else "",
        "missing": "rows without the outcome or a clinical term were left out and counted "
        "(radiomics/left_out.tsv); gaps of features were filled with the medians of the training "
        "fold",
        "imbalance": f"there were {counted(people, 'person')}{positive}"
        + (weighted if outcome.is_class else ""),
        "partition": f"people were predicted by models of others, in nested cross-validation "
        f"(doi:10.1186/1471-2105-7-91): {how}; all steps that learn were fitted within training "
        "folds",
    }


def _of_models(study: RadiomicsStudy) -> dict[str, str]:
    chain = study.settings.chain
    limit = f"of features with a rank correlation above {chain.correlation:g} one was kept"
    chosen = f"at most {chain.most} were chosen by {SELECTIONS.get(chain.selection, '')}"
    return {
        "sites": "effects of sites were removed by ComBat, fitted in training folds "
        "(doi:10.1093/biostatistics/kxj037)" if chain.harmonise else "",
        "reduction": chosen if chain.selection != "none" else "",
        "redundancy": limit if chain.correlation < 1 else "",
        "scaling": "terms were standardised by mean and SD of the training fold",
        "algorithm": f"the model was {MODELS[chain.model]}, chosen beforehand",
        "tuning": f"its {TUNED.get(chain.model, 'penalty')} was chosen in three inner folds of "
        "each training fold" if len(TRIED[chain.model]) > 1 else "",
    }  # fmt: skip


def _of_results(study: RadiomicsStudy) -> dict[str, str]:
    outcome, name = study.material.outcome, score_name(study)
    plain = "the area under the ROC curve" if outcome.is_class else "C (concordance)"
    added = {(True, False): ", with the Brier score",
             (False, True): ", with R² and the mean absolute error"}  # fmt: skip
    assessed = {(True, False): "intercept, slope, bins and decision curves",
                (False, True): "the line of true on predicted numbers"}  # fmt: skip
    kind = (outcome.is_class, outcome.is_number)
    simple = study.settings.chain.model in ("logistic", "cox", "ridge")
    both = len(study.tables["differences"]) > 0
    return {
        "metrics": f"performance was {plain} of people left out, over pairs within folds"
        + added.get(kind, ""),
        "uncertainty": f"intervals of {name} are BCa bootstrap intervals over people (95 %)",
        "comparison": "clinical terms, image features and both were compared on the same people by "
        "paired differences with intervals" if both else "",
        "calibration": f"calibration was assessed by {assessed[kind]}" if kind in assessed else "",
        "simple": "the model itself is a classical one" if simple else "",
        "permutation": f"the procedure was repeated with outcomes permuted over people, "
        f"{study.settings.permutations} times" if study.permuted is not None else "",
        "leakage": "what features chosen on everybody would have claimed was computed"
        if study.leak is not None else "",
        "external": f"models were applied unchanged to another cohort of "
        f"{counted(len(study.other.outcome.y), 'person')}" if study.other is not None else "",
        "centres": _centres(study),
        "size": _size(study),
        "explained": "coefficients and features of the model of all people, how often folds chose "
        "each, and tests of each alone are in the tables",
    }  # fmt: skip


def _centres(study: RadiomicsStudy) -> str:
    sites = len(np.unique(study.material.site))
    return f"people came from {sites} sites" if sites > 1 else ""


def _size(study: RadiomicsStudy) -> str:
    """Cases of the rarer class for each term of a model, where there are ten or more."""
    rarer, terms = rarer_and_terms(study.material, study.settings.chain)
    which = "" if study.material.outcome.is_number else " of the rarer class"
    return f"{rarer} cases{which} for {terms} terms" if rarer >= FEW_PER_FEATURE * terms else ""
