"""The front door: what the commands do, as functions for notebooks and programs."""
