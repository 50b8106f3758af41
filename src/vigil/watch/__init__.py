"""Trained models at work: on a new video, or on a camera."""
