"""Hydra's configurations: composed, checked setting by setting, and turned into plain values."""
