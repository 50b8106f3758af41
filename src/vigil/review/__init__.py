"""What a change does to the pipeline's results, as a reviewer wants to see it."""
