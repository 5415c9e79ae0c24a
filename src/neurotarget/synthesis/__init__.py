"""Training images made from label maps: random contrast, shape, resolution and artefacts."""
