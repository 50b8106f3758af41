"""Code for the networks that see whole pictures: trunks, their batches, averaged weights."""
