"""Folders of predictions as other programs expect them."""
