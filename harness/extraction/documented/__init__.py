"""The documented pipeline: a pass per field group, section passes, verification, deep extraction, caps."""
