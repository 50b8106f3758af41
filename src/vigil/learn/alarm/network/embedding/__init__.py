"""Networks that turn clips into vectors."""
