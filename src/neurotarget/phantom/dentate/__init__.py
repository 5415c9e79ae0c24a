"""Synthetic susceptibility maps with dentate nuclei."""
