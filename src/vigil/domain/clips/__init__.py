"""Clips of behaviour: where they come from, their vectors, scores and thresholds."""
