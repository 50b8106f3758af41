"""The networks, their registry, the data they take, and trained ones."""
