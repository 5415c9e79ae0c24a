"""Figures and page of a comparison of arms."""
