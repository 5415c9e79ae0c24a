"""Make the patches of single training steps again."""
