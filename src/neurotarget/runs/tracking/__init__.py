"""Logging of a run: scores, cost, energy; CSV and W&B."""
