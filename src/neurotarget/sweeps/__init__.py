"""Several jobs of one command: grids and searches."""
