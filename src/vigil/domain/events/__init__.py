"""From scores of windows to events: what was unusual, from when to when."""
