"""Predictions of trained networks, by branch."""
