"""Hypothesis without deadlines: the machine is shared, and its pauses are no failures."""

from hypothesis import settings

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
