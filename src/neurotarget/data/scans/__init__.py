"""Voxels and geometry of scans, read from files of all formats."""
