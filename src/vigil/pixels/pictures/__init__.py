"""Reads single pictures from a folder or an archive."""
