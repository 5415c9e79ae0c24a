"""One figure of a study a file."""
