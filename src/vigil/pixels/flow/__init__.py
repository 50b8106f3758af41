"""Optical flow between frames, and histograms of its directions."""
