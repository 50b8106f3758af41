"""Kinds of evidence that motion gives, each of which says where it lies: one module each."""
