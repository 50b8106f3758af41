"""Vision transformers that were trained without labels: networks, weights, attention."""
