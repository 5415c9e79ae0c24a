"""A study on disk: what it reads and what it writes."""
