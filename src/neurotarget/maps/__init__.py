"""Gradient-echo scans, from which susceptibility maps and weighted images are made."""
