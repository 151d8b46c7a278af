"""Prompt optimization: an extraction program whose instruction is evolved, measured and checked."""
