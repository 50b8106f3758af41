"""Label Studio's exports of boxes on video."""
