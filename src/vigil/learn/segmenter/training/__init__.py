"""All that the training of a segmenter needs in addition."""
