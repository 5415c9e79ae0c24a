"""Studies: reading a cohort from files, applying the user's questions, and writing results."""
