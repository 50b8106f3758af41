"""Sides for training, validation and testing, one module for each branch."""
