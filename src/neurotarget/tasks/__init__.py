"""LightningModules that train a network for a target, with their callbacks and schedule."""
