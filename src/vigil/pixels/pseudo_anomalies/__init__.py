"""Pseudo-anomalous clips, made from clips of allowed behaviour."""
