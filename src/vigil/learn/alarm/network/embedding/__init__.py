"""Networks that make vectors of clips."""
