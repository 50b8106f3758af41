"""The network, its registry and the data it takes."""
