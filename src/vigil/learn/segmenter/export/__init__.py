"""The segmenter as files that run without torch."""
