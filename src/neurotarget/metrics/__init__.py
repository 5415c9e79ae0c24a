"""Scores of one case: functions of boolean arrays and spacings, without tensors or files."""
