"""Rows to estimates: no files, no plots."""
