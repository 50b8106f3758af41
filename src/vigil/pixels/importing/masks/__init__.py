"""Imports pictures with masks from all supported formats."""
