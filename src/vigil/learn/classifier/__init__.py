"""The classifier of people and background."""
