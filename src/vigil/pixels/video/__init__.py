"""Reads videos: files, and folders of numbered pictures."""
