"""Clips and their labels in the forms that others have them."""
