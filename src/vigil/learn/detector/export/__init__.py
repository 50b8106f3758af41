"""The detector as files that run without torch."""
