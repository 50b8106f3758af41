"""Finds and measures the pictures of a set."""
