"""Samples of crops: cut, stored, counted and shown."""
