"""Which cases exist, what is wrong with them, and who trains and who is held out."""
