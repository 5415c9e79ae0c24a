"""Estimates and intervals of numbers; knows no target."""
