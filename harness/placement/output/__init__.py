"""Answers as text, JSON, drawings and launch scripts."""
