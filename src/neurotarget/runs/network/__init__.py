"""From a run folder to a network that predicts."""
