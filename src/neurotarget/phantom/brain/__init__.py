"""Synthetic label maps of whole heads, and scans made from label maps."""
