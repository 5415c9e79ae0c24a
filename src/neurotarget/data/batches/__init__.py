"""From prepared cases to batches of patches."""
