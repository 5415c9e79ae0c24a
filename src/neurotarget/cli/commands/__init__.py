"""One file per command, with its name: the file reads arguments, makes one call, prints results."""
