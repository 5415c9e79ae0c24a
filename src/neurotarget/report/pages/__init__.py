"""HTML pages, their sections, and summaries for the terminal."""
