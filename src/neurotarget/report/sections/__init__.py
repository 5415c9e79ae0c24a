"""Sections of pages: key numbers, people, outcomes, raters, learnt steps, the viewer."""
