"""Models of image features in nested folds, and the optimism of selecting features outside them."""
