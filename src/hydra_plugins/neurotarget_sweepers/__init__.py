"""Sweepers that Hydra finds by their place; what they do is in `neurotarget.cli`."""
