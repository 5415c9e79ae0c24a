"""Train one network for one target, from a configuration of plain values."""
