"""Drawn heads with a pituitary gland."""
