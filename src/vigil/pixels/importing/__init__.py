"""Data of others, taken in: exports, annotated pictures, clips."""
