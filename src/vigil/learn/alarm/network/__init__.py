"""The networks that embed and score: all that a prediction needs."""
