"""All that the prediction of a segmenter needs."""
