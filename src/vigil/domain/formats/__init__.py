"""Readers of annotated pictures in the formats of other programs, and checks of what they read."""
