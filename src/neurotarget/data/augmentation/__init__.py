"""Changes of patches in training: moved voxels, grey values and artefacts, over whole batches."""
