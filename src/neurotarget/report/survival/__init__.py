"""The page of a survival study and its figures."""
