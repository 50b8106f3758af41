"""Samples, which are sequences of crops: their index and predictions."""
