"""Behaviour of a command's process: signals, exit codes, help, error messages."""
