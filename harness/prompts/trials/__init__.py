"""What the benchmarks under benchmarks/prompts compare."""
