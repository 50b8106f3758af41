"""What embeds and what scores: all that a prediction needs."""
