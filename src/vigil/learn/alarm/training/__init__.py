"""Fits the alarm."""
