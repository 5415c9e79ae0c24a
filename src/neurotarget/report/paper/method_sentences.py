"""A sentence of a methods paragraph for each statistic, by the name of its definition."""

SENTENCES = {  # in the order of the paragraph; `{}` is the citation
    "Group difference": "Groups are compared by the difference of their means, by Welch's test "
    "where nothing is adjusted for {}.",
    "Robust standard errors": "Models with covariates are fitted by least squares with standard "
    "errors that allow for unequal spread (HC3) {}.",
    "Model with site": "Where site explains a tenth or more of what is tested, a model with site, "
    "as a fixed or a random effect, leads {}.",
    "Adjustment for head size (TIV)": "Effects are also adjusted for head size as a covariate, by "
    "its residual and as a proportion {}.",
    "Hedges’ g": "Group differences are also given in standard deviations (Hedges’ g) {}.",
    "Partial r": "Slopes are also given as partial correlations {}.",
    "Verdict": "Verdicts compare the 95 % interval with 0 and with the published effect, and the "
    "90 % interval with the smallest effect of interest (two one-sided tests) {}.",
    "Smallest effect of interest": "The smallest effect of interest is the one that a hypothesis "
    "states, else half of the published one {}.",
    "Share of an effect that volumes show": "Power and margins of a method are reduced to the "
    "share of the reference’s differences that its volumes show {}.",
    "Power": "Power is that of a two-sided test at 5 % for the published effect {}.",
    "Sample size": "Sample sizes are planned for a stated effect with 80 % power, not for the one "
    "found here {}.",
    "Same effect": "Effects by two methods are compared by their paired difference, of which the "
    "90 % interval is compared with the smallest effect of interest {}.",
    "ICC(A,1)": "Agreement of volumes is given as the intraclass correlation of absolute "
    "agreement, ICC(A,1) {}.",
    "ICC(C,1)": "The intraclass correlation of consistency, ICC(C,1), shows agreement apart from a "
    "bias {}.",
    "CCC": "Lin's concordance correlation coefficient (CCC) is given as well {}.",
    "Bias and limits of agreement": "Differences of volumes are given as bias and 95 % limits of "
    "agreement {}.",
    "Slope on the reference": "The slope of a method's volumes on those of the reference is that "
    "of Deming's regression {}.",
    "Kind of interval": "Limits of agreement have Carkeet's exact intervals where values look "
    "normal and each person has one scan {}.",
    "p of Pearson’s r": "Pearson's r has the p value of Student's t {}.",
    "Internal and external": "Scores are given apart for sites that the network was trained on "
    "(internal) and for others (external) {}.",
    "Dice": "Masks are scored by Dice, with 0 for a failed mask {}.",
    "HD95": "The 95th percentile of the distances of surfaces is given as HD95 {}.",
    "ASSD": "The mean distance of surfaces is given as ASSD {}.",
    "Surface Dice": "Surface Dice is the share of surface within a tolerance {}.",
    "Rater error": "Rater error is the SD of one drawing {}.",
    "Network compared with raters": "The network's agreement with a rater is compared with another "
    "rater's, with an interval of Student's t or the jackknife {}.",
    "Rate of failures": "Rates of failed cases have Wilson's interval {}.",
    "Learnt": "Whether the network has learnt is judged by its Dice above that of a trivial mask, "
    "as a share of what is possible, like Cohen's kappa {}.",
    "AUC": "Discrimination of groups is given as AUC with DeLong's interval {}.",
    "q": "The p values of several labels are corrected for the false discovery rate {}.",
    "ComBat": "Volumes are compared with those after harmonisation of sites by ComBat {}.",
    "95 % interval": "Intervals are at 95 %; where no formula is used, they come from the "
    "jackknife or the bootstrap over people {}.",
}
