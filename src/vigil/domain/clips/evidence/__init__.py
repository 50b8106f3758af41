"""Evidence in clips: its pieces, and how those of windows are stored."""
