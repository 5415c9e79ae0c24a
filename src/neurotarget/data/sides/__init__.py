"""Left and right of a pair of structures."""
