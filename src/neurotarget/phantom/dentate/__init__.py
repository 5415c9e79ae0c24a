"""Drawn susceptibility maps with dentate nuclei."""
