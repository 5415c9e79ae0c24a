"""Pituitary glands and sellae drawn into label maps of whole heads."""
