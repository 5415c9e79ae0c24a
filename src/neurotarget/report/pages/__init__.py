"""HTML pages and their sections."""
