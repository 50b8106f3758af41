"""The detector of objects, which it marks by bounding boxes."""
