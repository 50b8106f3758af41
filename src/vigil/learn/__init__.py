"""Floor 3: everything that imports torch."""
