"""Language models without a network or weights, for trials of the optimizer itself."""
