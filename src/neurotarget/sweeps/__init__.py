"""Multiruns: grids and searches, and the jobs that they launch."""
