"""The channels of motion: kinds of evidence with place and time, one module each."""
