"""What a process owes its user: signals, exit codes, reasons."""
