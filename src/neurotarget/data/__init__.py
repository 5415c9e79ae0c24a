"""From files to patches: which cases exist, what is wrong with them, how a network gets them."""
