"""Measures the evidence in windows of videos."""
