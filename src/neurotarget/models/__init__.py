"""Networks and their planning and profiling; networks know nothing of targets."""
