"""Replicas of pipelines for a demand."""
