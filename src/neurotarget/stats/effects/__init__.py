"""Hypotheses: models, verdicts, and what a verdict hangs on."""
