"""Floor 1: boxes, annotations, tracks, samples, splits and measures, without pixels."""
