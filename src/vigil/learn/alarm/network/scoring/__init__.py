"""The autoencoder whose error scores a vector."""
