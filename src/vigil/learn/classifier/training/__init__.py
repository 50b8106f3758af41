"""The training of the classifier."""
