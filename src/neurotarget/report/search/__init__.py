"""Figures and page of a hyperparameter search."""
