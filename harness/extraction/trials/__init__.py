"""What the benchmarks of extraction compare."""
