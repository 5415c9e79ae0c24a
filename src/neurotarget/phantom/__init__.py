"""Built-in cohorts: synthetic heads with planted effects."""
