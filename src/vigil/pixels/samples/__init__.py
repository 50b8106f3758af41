"""Cuts, stores, counts and draws samples: sequences of crops."""
