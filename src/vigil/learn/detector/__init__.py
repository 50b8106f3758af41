"""The detector of boxes."""
