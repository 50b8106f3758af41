"""The fitted scorers, and the autoencoder whose error scores a vector."""
