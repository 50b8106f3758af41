"""Splits into training, validation and test sets, with one module for each branch."""
