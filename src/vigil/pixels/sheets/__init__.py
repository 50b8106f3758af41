"""Sheets of pictures and figures that explain a data set or a model."""
