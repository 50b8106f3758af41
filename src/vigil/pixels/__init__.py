"""Floor 2: video, pictures and drawing."""
