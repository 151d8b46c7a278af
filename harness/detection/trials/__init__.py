"""What the benchmarks of detection compare."""
