"""Annotations of pictures in the formats that others write, and what is checked of them."""
