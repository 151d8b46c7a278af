"""Which GPUs serve which layers, at what tensor-parallel degree, for how much money."""
