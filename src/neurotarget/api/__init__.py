"""The public Python interface: each command as a function, for notebooks and programs."""
