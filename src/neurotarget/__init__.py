"""Target-oriented deep learning for brain MRI: from scans and masks to the answered question."""
