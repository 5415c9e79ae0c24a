"""Models of image features within nested folds, and what their selection would have claimed."""
