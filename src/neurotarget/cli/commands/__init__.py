"""Commands, one file each, named as the command: arguments, one call, and what is printed."""
