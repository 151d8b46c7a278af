"""The command `harness place`."""
