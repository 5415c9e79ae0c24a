"""Quality control of predictions: a page with a picture and the sizes of each case."""
