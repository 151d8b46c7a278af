"""What the benchmarks under benchmarks/placement compare."""
