"""A network over a whole box: windows, the memory that they need, and label maps slab by slab."""
