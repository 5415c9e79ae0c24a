"""From a run folder to a predictor."""
