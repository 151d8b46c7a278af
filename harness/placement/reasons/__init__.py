"""Why this plan, what if, and why there is none."""
