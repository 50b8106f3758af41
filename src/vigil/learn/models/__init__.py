"""Networks, picked by name."""
