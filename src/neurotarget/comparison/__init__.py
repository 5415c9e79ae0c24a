"""Comparison of finished runs: reading, grouping into arms, ensembles, and writing files."""
