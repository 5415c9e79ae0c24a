"""Estimates to tables and pictures."""
