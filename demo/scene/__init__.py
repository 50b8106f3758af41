"""The synthetic surveillance scenes that the embedded default runs on."""
