"""A choice of the alarm's settings without labels, by pseudo-anomalous clips."""
