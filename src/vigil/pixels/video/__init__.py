"""Videos, clips and archives of frames."""
