"""The behaviour alarm's networks."""
