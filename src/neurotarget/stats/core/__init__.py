"""Estimates and intervals of plain arrays; nothing here knows of targets or files."""
