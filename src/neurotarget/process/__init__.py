"""How a command's process behaves: signals, exit codes, help, error messages."""
