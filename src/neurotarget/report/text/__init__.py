"""Numbers and results as sentences and tables of text."""
