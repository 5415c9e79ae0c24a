"""The tables of a study of one cohort."""
