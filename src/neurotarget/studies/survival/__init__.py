"""Survival studies: of tables, of measured masks, and as an experiment with a run folder."""
