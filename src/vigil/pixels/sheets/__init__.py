"""Draws contact sheets and figures that show a data set or the results of a model."""
