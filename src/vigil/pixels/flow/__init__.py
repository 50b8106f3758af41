"""Optical flow of windows of videos, and what is made of it."""
