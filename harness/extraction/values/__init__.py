"""Values in one form each, and when two of them say the same."""

from harness.extraction.values.canonical import canonical, problem, same

__all__ = ["canonical", "problem", "same"]
