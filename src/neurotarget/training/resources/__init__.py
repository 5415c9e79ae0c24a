"""Time and memory of a training: budget, devices, forecast, and settings chosen to fit."""
