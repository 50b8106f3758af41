"""Clips of behaviour: their sources, embeddings, scores and thresholds."""
