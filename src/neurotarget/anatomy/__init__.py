"""Structures of the head by number and name, and where they lie in one another."""
