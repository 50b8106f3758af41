"""The detectors' networks, their registry, and their data sets."""
