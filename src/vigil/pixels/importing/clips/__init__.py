"""Lists clips and long videos, with their labels."""
