"""Whether a prompt that was optimized on one precision holds on another."""
