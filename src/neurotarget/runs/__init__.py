"""The run folder and what is made of a finished run."""
