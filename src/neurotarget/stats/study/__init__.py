"""The tables of a study of one cohort, without files and figures."""
