"""What all networks share: the machine, weights on disk, the order of samples."""
