"""The public Python interface: one function per command, for notebooks and programs."""
