"""LightningModules: how a network is trained for a target."""
