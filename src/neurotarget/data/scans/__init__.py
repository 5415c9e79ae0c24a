"""Image files of all formats, read as voxels and geometry."""
