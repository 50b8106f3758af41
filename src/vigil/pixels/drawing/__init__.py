"""Boxes and captions on pictures, and figures."""
