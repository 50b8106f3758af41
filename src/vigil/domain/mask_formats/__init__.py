"""Masks in files of other programs."""
