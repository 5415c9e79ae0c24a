"""Filters of images, as IBSI's second chapter defines them."""
