"""The classifier's networks."""
