"""Times to an event: survival curves, hazards, discrimination, calibration and predictions."""
