"""Compose Hydra's configurations, check each setting, and convert them to plain values."""
