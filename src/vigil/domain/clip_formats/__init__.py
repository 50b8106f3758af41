"""Readers of clips and labels in the formats of other projects."""
