"""Floor 0: what every stage is run with and no result depends on."""
