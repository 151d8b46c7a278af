"""From scores to a verdict: which heads and layers to sum, and how well that tells hallucinations."""
