"""What is learnt from allowed evidence: scorers, and the usual speed at each place."""
