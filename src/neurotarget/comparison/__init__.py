"""Finished runs gathered into arms that can be compared."""
