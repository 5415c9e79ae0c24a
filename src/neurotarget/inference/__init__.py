"""From scans to label maps on their own grids, with volumes and notes."""
