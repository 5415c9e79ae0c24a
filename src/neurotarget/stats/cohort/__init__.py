"""The cohort of a study: measured volumes, failed masks, subjects and their covariates."""
