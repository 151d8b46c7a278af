"""The documented method as published: its programs, its searches, its front, its audit."""
