"""Gliomas grown into drawn heads, with planted survival."""
