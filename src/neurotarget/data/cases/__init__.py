"""Which cases exist, what is wrong with them, and how they are split."""
