"""Lists of cases, their problems, and their assignment to splits."""
