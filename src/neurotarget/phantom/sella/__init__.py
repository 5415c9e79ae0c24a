"""Pituitary glands and sellae generated in label maps of whole heads."""
