"""Sets of annotated pictures, and their COCO files."""
