"""Time and memory of a training: budget, devices, forecast, and settings planned for them."""
