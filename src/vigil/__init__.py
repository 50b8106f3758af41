"""vigil: from annotated surveillance video to a classifier, a detector and an alarm."""
