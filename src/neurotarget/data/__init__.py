"""From the manifest to patches: what exists, what is wrong with it, and how it reaches a net."""
