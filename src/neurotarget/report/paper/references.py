"""Works cited in a study as BibTeX, with keys of first author and year."""

import re
from collections.abc import Iterable
from typing import NamedTuple

TITLES = {  # DOI → authors, title, where
    "10.1201/9780429246593": (
        "Efron, B. and Tibshirani, R. J.",
        "An Introduction to the Bootstrap",
        "Chapman and Hall/CRC",
    ),
    "10.1198/000313001300339897": (
        "Hoenig, J. M. and Heisey, D. M.",
        "The Abuse of Power: The Pervasive Fallacy of Power Calculations for Data Analysis",
        "The American Statistician 55:19-24",
    ),
    "10.4324/9780203771587": (
        "Cohen, J.",
        "Statistical Power Analysis for the Behavioral Sciences",
        "Routledge",
    ),
    "10.1093/biomet/34.1-2.28": (
        "Welch, B. L.",
        "The Generalization of `Student's' Problem when Several Different Population Variances "
        "are Involved",
        "Biometrika 34:28-35",
    ),
    "10.3102/10769986006002107": (
        "Hedges, L. V.",
        "Distribution Theory for Glass's Estimator of Effect Size and Related Estimators",
        "Journal of Educational Statistics 6:107-128",
    ),
    "10.3389/fnagi.2014.00264": (
        "Voevodskaya, O. and others",
        "The effects of intracranial volume adjustment approaches on multiple regional MRI volumes "
        "in healthy aging and Alzheimer's disease",
        "Frontiers in Aging Neuroscience 6:264",
    ),
    "10.1177/001316446002000104": (
        "Cohen, J.",
        "A Coefficient of Agreement for Nominal Scales",
        "Educational and Psychological Measurement 20:37-46",
    ),
    "10.2307/1932409": (
        "Dice, L. R.",
        "Measures of the Amount of Ecologic Association Between Species",
        "Ecology 26:297-302",
    ),
    "10.1016/j.jclinepi.2015.04.005": (
        "Steyerberg, E. W. and Harrell, F. E.",
        "Prediction models need appropriate internal, internal-external, and external validation",
        "Journal of Clinical Epidemiology 69:245-247",
    ),
    "10.1093/biomet/6.2-3.302": (
        "{Student}",
        "Probable Error of a Correlation Coefficient",
        "Biometrika 6:302-310",
    ),
    "10.1109/34.232073": (
        "Huttenlocher, D. P. and Klanderman, G. A. and Rucklidge, W. J.",
        "Comparing Images Using the Hausdorff Distance",
        "IEEE Transactions on Pattern Analysis and Machine Intelligence 15:850-863",
    ),
    "10.1109/TMI.2009.2013851": (
        "Heimann, T. and others",
        "Comparison and Evaluation of Methods for Liver Segmentation From CT Datasets",
        "IEEE Transactions on Medical Imaging 28:1251-1265",
    ),
    "10.2196/26151": (
        "Nikolov, S. and others",
        "Clinically Applicable Segmentation of Head and Neck Anatomy for Radiotherapy: Deep "
        "Learning Algorithm Development and Validation Study",
        "Journal of Medical Internet Research 23:e26151",
    ),
    "10.1037/1082-989X.1.1.30": (
        "McGraw, K. O. and Wong, S. P.",
        "Forming Inferences About Some Intraclass Correlation Coefficients",
        "Psychological Methods 1:30-46",
    ),
    "10.2307/2532051": (
        "Lin, L. I.-K.",
        "A Concordance Correlation Coefficient to Evaluate Reproducibility",
        "Biometrics 45:255-268",
    ),
    "10.1016/S0140-6736(86)90837-8": (
        "Bland, J. M. and Altman, D. G.",
        "Statistical Methods for Assessing Agreement Between Two Methods of Clinical Measurement",
        "The Lancet 327:307-310",
    ),
    "10.1080/01621459.1987.10478410": (
        "Efron, B.",
        "Better Bootstrap Confidence Intervals",
        "Journal of the American Statistical Association 82:171-185",
    ),
    "10.1080/01621459.1927.10502953": (
        "Wilson, E. B.",
        "Probable Inference, the Law of Succession, and Statistical Inference",
        "Journal of the American Statistical Association 22:209-212",
    ),
    "10.2307/2531595": (
        "DeLong, E. R. and DeLong, D. M. and Clarke-Pearson, D. L.",
        "Comparing the Areas under Two or More Correlated Receiver Operating Characteristic "
        "Curves: A Nonparametric Approach",
        "Biometrics 44:837-845",
    ),
    "10.1111/j.2517-6161.1995.tb02031.x": (
        "Benjamini, Y. and Hochberg, Y.",
        "Controlling the False Discovery Rate: A Practical and Powerful Approach to Multiple "
        "Testing",
        "Journal of the Royal Statistical Society B 57:289-300",
    ),
    "10.1093/biostatistics/kxj037": (
        "Johnson, W. E. and Li, C. and Rabinovic, A.",
        "Adjusting Batch Effects in Microarray Expression Data Using Empirical Bayes Methods",
        "Biostatistics 8:118-127",
    ),
    "10.2307/2529876": (
        "Laird, N. M. and Ware, J. H.",
        "Random-Effects Models for Longitudinal Data",
        "Biometrics 38:963-974",
    ),
    "10.1016/j.anbehav.2008.11.006": (
        "{van de Pol}, M. and Wright, J.",
        "A Simple Method for Distinguishing Within- Versus Between-Subject Effects Using Mixed "
        "Models",
        "Animal Behaviour 77:753-758",
    ),
    "10.1177/096228029900800204": (
        "Bland, J. M. and Altman, D. G.",
        "Measuring Agreement in Method Comparison Studies",
        "Statistical Methods in Medical Research 8:135-160",
    ),
    "10.1136/bmj.313.7059.744": (
        "Bland, J. M. and Altman, D. G.",
        "Statistics Notes: Measurement Error",
        "BMJ 313:744",
    ),
    "10.1007/BF01068419": (
        "Schuirmann, D. J.",
        "A Comparison of the Two One-Sided Tests Procedure and the Power Approach for Assessing "
        "the Equivalence of Average Bioavailability",
        "Journal of Pharmacokinetics and Biopharmaceutics 15:657-680",
    ),
    "10.1016/0304-4076(85)90158-7": (
        "MacKinnon, J. G. and White, H.",
        "Some Heteroskedasticity-Consistent Covariance Matrix Estimators with Improved Finite "
        "Sample Properties",
        "Journal of Econometrics 29:305-325",
    ),
    "10.1093/biomet/61.1.1": (
        "Miller, R. G.",
        "The Jackknife: A Review",
        "Biometrika 61:1-15",
    ),
    "10.1093/clinchem/39.3.424": (
        "Linnet, K.",
        "Evaluation of Regression Procedures for Methods Comparison Studies",
        "Clinical Chemistry 39:424-432",
    ),
    "10.1097/OPX.0000000000000513": (
        "Carkeet, A.",
        "Exact Parametric Confidence Intervals for Bland-Altman Limits of Agreement",
        "Optometry and Vision Science 92:e71-e80",
    ),
    "10.1111/1467-985X.00164": (
        "Frost, C. and Thompson, S. G.",
        "Correcting for Regression Dilution Bias: Comparison of Methods for a Single Predictor "
        "Variable",
        "Journal of the Royal Statistical Society A 163:173-189",
    ),
    "10.1177/2515245918770963": (
        "Lakens, D. and Scheel, A. M. and Isager, P. M.",
        "Equivalence Testing for Psychological Research: A Tutorial",
        "Advances in Methods and Practices in Psychological Science 1:259-269",
    ),
    "10.1148/ryai.240300": (
        "Tejani, A. S. and others",
        "Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update",
        "Radiology: Artificial Intelligence 6:e240300",
    ),
}


class Reference(NamedTuple):
    """A cited work; `source` is authors and year, such as `Bland and Altman 1986`."""

    key: str
    source: str
    doi: str


def references(cited: Iterable[tuple[str, str]]) -> list[Reference]:
    """Return a reference with a unique key for each distinct source and DOI, in order."""
    found: dict[tuple[str, str], Reference] = {}
    for source, doi in cited:
        first = first_source(source)
        if not first or (first, doi) in found:
            continue
        taken = {one.key for one in found.values()}
        key = next(one for one in _keys(first) if one not in taken)
        found[first, doi] = Reference(key, first, doi)
    return list(found.values())


def first_source(source: str) -> str:
    """Return the first of several sources, to which the DOI belongs."""
    return source.split(";")[0].split(", doi:")[0].strip()


def bibtex(cited: Iterable[Reference]) -> str:
    """Return BibTeX of references; without a known title the source is a note."""
    return "\n".join(_entry(one) for one in cited)


def _keys(source: str) -> Iterable[str]:
    author = re.split(r" and |,|\s(?=\d)", source)[0]
    name = re.sub(r"[^a-z]", "", author.casefold()) or "work"
    stem = name + _year(source)
    yield stem
    yield from (f"{stem}{letter}" for letter in "bcdefghijklmnopqrstuvwxyz")


def _year(source: str) -> str:
    match = re.search(r"\b(1[89]|20)\d\d\b", source)
    return match[0] if match else ""


def _entry(one: Reference) -> str:
    authors, title, where = TITLES.get(one.doi, ("", "", ""))
    fields = {
        "author": authors or re.split(r"\s(?=(?:1[89]|20)\d\d)", one.source)[0],
        "title": title,
        "howpublished": where,
        "year": _year(one.source),
        "doi": one.doi,
        "note": "" if title else one.source,
    }
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return f"@misc{{{one.key},\n" + ",\n".join(lines) + "\n}\n"
