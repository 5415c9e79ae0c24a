"""Separation of paired structures into left and right."""
