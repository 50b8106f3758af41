"""Sequences of crops: how they are planned and listed."""
