"""Single pictures, from a folder or an archive."""
