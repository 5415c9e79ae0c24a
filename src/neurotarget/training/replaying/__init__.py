"""The patches of single steps of a training, made again."""
