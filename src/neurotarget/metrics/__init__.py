"""Scores of one case: boolean arrays and a spacing in, floats out; no tensors, no files."""
