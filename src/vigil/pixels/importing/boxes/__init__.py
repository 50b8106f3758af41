"""Imports annotated pictures from all supported formats."""
