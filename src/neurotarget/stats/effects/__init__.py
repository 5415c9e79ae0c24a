"""Hypotheses: models, effect estimates, verdicts and their robustness."""
