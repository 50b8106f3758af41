"""What fitting it means."""
