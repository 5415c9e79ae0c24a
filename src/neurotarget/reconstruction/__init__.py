"""Susceptibility maps and susceptibility-weighted images of many scans, and method comparisons."""
