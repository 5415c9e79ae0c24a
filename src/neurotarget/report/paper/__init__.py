"""Texts for a paper: methods, references, checklist."""
