"""Gliomas grown into generated heads, with planted survival."""
