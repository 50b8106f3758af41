"""Sets of pictures with masks, their COCO files, and maps of classes."""
