"""Code for all networks: the machine, weights on disk, the order of samples."""
