"""Run folders, and the use of finished runs."""
