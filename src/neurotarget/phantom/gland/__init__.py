"""Synthetic heads with a pituitary gland."""
