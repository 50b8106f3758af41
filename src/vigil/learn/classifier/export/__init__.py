"""The classifier as files that run without torch."""
