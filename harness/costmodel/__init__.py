"""Memory, step time and engine simulation: what a hardware row would do with a model."""
