"""Measures of one or two masks: overlap, surfaces, lesions, shape, volume and position."""
