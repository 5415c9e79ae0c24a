"""The tables of a study of one cohort; no files and no figures."""
