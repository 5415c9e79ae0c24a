"""Structures of the head by number and name, and the larger structures that they are part of."""
