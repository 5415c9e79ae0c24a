"""Shared parts of figures: style, axes, text fitting, panels and pictures of cases."""
