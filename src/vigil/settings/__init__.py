"""Floor 1: what `params.yaml` may say, one module for each section, and the blocks they share."""
