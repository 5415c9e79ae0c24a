"""Series of slices: exams of several series, and the folders that hold them."""
