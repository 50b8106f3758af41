"""Floor 1: the sections of `params.yaml`, one module each, and the blocks that sections share."""
