"""Events from scores of windows: what was unusual, and its start and end."""
