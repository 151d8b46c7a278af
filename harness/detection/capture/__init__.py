"""From a loaded model and samples to scores: the published structure, and one forward pass of a batch."""
