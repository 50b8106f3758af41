"""The classifier's network, its registry, and its data sets."""
