"""Imports data sets: exports of Label Studio, annotated pictures, masks, clips."""
