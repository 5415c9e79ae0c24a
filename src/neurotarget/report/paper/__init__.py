"""Texts for a paper: methods and results, references, checklist."""
