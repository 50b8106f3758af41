"""Datasets: from stored samples to batches."""
