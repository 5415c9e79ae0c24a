"""One network family a file; a network knows channels and strides, nothing of targets."""
