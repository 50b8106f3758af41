"""Sets of annotated pictures, their COCO files, and the run lengths of masks."""
