"""The pytest plugin: the only file that knows pytest."""
