"""Draws boxes and captions on pictures, and figures."""
