"""Scores of one case: functions of boolean arrays and spacings; no tensors, no files."""
