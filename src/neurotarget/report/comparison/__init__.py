"""Figures and page of a comparison of arms; the numbers are computed in `stats.arms`."""
