"""GEPA with our own adapter: its threads at work, its failures raised, its run repeatable."""
