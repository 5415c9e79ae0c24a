"""Built-in cohorts: drawn heads with planted effects."""
