"""The training of the detector."""
