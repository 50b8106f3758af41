"""The effect of a change on the pipeline's results, prepared for a reviewer."""
