"""Files to voxels and geometry: one scan, whatever its format."""
